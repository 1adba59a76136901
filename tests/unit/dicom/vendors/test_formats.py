"""The other TIFF kinds: JPEG 2000, lossless storage, OME-TIFF, Philips, built levels."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import openslide
import PIL.Image
import PIL.ImageOps
import pytest
import tifffile
from highdicom.spatial import PixelToReferenceTransformer

from lamelle.base.errors import Invalid, Unsupported
from lamelle.dicom.vendors.sniffing import sniff
from lamelle.testing import tiffs

Convert = Callable[..., Any]


def mosaic(result: Any, name: str, layer: int = 0) -> Any:
    """The decoded total pixel matrix of one plane or path."""
    ds = result.dataset(name)
    across, down = -(-ds.TotalPixelMatrixColumns // ds.Columns), -(-ds.TotalPixelMatrixRows // ds.Rows)
    frames = [imagecodecs.imread(f).astype(int) for f in result.frames(name)][layer * across * down :][: across * down]
    rows = [np.hstack(frames[i : i + across]) for i in range(0, len(frames), across)]
    return np.vstack(rows)[: ds.TotalPixelMatrixRows, : ds.TotalPixelMatrixColumns]


def ycbcr(pixels: Any) -> Any:
    """Full range YCbCr. Source: JFIF 1.02."""
    matrix = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    return np.clip(np.round(pixels @ matrix.T + [0, 128, 128]), 0, 255).astype(np.uint8)


def jpeg2000_svs(path: Path, compression: int) -> list[bytes]:
    pixels = tiffs.tissue(500, 400)
    coded = ycbcr(pixels) if compression == 33003 else pixels
    data = [
        bytes(imagecodecs.jpeg2k_encode(one, level=42, codecformat="J2K", reversible=False, mct=False))
        for one in tiffs.tiles(coded, 256)
    ]
    said = tiffs.APERIO.format(w=500, h=400)
    image = tiffs.Image({**tiffs.tags(pixels, compression, 2), 322: 256, 323: 256, 270: said}, data)
    tiffs.write(path, [image])
    return data


@pytest.mark.parametrize(("compression", "photometric"), [(33005, "RGB"), (33003, "YBR_ICT")])
def test_jpeg_2000_tiles_are_kept(converted: Convert, tmp_path: Path, compression: int, photometric: str) -> None:
    path = tmp_path / "j2k.svs"
    tiles = jpeg2000_svs(path, compression)
    result = converted(path)
    ds = result.dataset("level-0")
    assert ds.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.91"
    assert ds.PhotometricInterpretation == photometric
    for frame, tile in zip(result.frames("level-0"), tiles, strict=True):
        changed = [i for i, (a, b) in enumerate(zip(frame, tile, strict=False)) if a != b]
        # of YCbCr tiles one header byte changes: "the component transform was applied"
        assert changed == ([] if compression == 33005 else [tile.index(b"\xff\x52") + 8])
    reference = np.asarray(openslide.OpenSlide(path).read_region((0, 0), 0, (500, 400)).convert("RGB")).astype(int)
    # OpenSlide rounds YCbCr before it converts, a decoder that knows of the transform rounds once: up to 2 apart
    assert np.abs(mosaic(result, "level-0") - reference).max() <= (1 if compression == 33005 else 2)


@pytest.mark.parametrize(
    ("compression", "predictor"),
    [("none", False), ("packbits", False), ("lzw", False), ("lzw", True), ("deflate", True), ("zstd", True)],
)
def test_lossless_storage_stays_lossless(converted: Convert, tmp_path: Path, compression: str, predictor: bool) -> None:
    pixels = tiffs.tissue(300, 200)
    path = tmp_path / "plain.tif"
    tifffile.imwrite(
        path, pixels, tile=(64, 64), compression=None if compression == "none" else compression,
        predictor=predictor, photometric="rgb", resolution=(20000, 20000), resolutionunit="CENTIMETER",
    )  # fmt: skip
    result = converted(path)
    ds = result.dataset("level-0")
    assert (mosaic(result, "level-0") == pixels).all()
    assert (ds.LossyImageCompression, ds.ImageType[0], ds.PhotometricInterpretation) == ("00", "ORIGINAL", "YBR_RCT")
    assert ds.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.90"


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_strips(converted: Convert, tmp_path: Path, planar: str, order: str) -> None:
    pixels = tiffs.tissue(300, 200)
    data = pixels if planar == "contig" else np.moveaxis(pixels, -1, 0)
    path = tmp_path / "strips.tif"
    tifffile.imwrite(path, data, photometric="rgb", planarconfig=planar, rowsperstrip=7, byteorder=order)
    assert (mosaic(converted(path), "level-0") == pixels).all()


def test_sixteen_bits(converted: Convert, tmp_path: Path) -> None:
    pixels = tiffs.tissue(200, 100)[:, :, 0].astype(np.uint16) * 257
    path = tmp_path / "deep.tif"
    tifffile.imwrite(path, pixels, tile=(64, 64), byteorder=">")
    result = converted(path)
    assert (result.dataset("level-0").BitsStored, result.dataset("level-0").HighBit) == (16, 15)
    assert (mosaic(result, "level-0") == pixels).all()


def corners(result: Any, name: str, width: int, height: int) -> Any:
    """Where the outer corners of a level lie on the glass, (row, column, xy) in mm, as highdicom has it."""
    ds = result.dataset(name)
    origin = ds.TotalPixelMatrixOriginSequence[0]
    transform = PixelToReferenceTransformer(
        (origin.XOffsetInSlideCoordinateSystem, origin.YOffsetInSlideCoordinateSystem, 0.0),
        ds.ImageOrientationSlide,
        ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing,
    )
    edges = np.array([[x, y] for y in (0, height) for x in (0, width)])
    place: Any = transform.affine[:2, :2] @ edges.T + transform.affine[:2, 3:]
    return np.round(place.T.reshape(2, 2, 2), 6)


def seen(picture: Any, orientation: int) -> Any:
    """The picture as Pillow would show it."""
    image = PIL.Image.fromarray(picture)
    image.getexif()[274] = orientation
    return np.asarray(PIL.ImageOps.exif_transpose(image))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_lies_on_the_glass_as_its_file_says(converted: Convert, tmp_path: Path, orientation: int) -> None:
    pixels = tiffs.tissue(320, 200)
    upright = np.ascontiguousarray(seen(pixels, orientation))
    results = {}
    for name, (picture, said) in {"stored": (pixels, 1), "lying": (pixels, orientation), "seen": (upright, 1)}.items():
        tags: dict[int, tiffs.Value] = {282: 20000.0, 283: 20000.0, 296: 3, 274: said}
        parts = [np.ascontiguousarray(one) for one in (picture, picture[::4, ::4])]
        tiffs.write(tmp_path / f"{name}.tif", [tiffs.level(one, more=tags) for one in parts])
        results[name] = converted(tmp_path / f"{name}.tif")
    assert results["lying"].frames("level-0") == results["stored"].frames("level-0")
    assert ("mirrored_image" in results["lying"].slide.warnings) == (orientation in (2, 4, 5, 7))
    place = seen(np.arange(4, dtype=np.uint8).reshape(2, 2), orientation)
    for name, scale in (("level-0", 1), ("level-1", 4)):
        found = corners(results["lying"], name, 320 // scale, 200 // scale).reshape(4, 2)[place]
        height, width = upright.shape[0] // scale, upright.shape[1] // scale
        assert (found == corners(results["seen"], name, width, height)).all()


def test_missing_levels_are_built(converted: Convert, tmp_path: Path) -> None:
    pixels = tiffs.tissue(4101, 1003)
    path = tmp_path / "one.tif"
    tiffs.write(path, [tiffs.level(pixels, 256)])
    result = converted(path)
    assert [(i.columns, i.rows, i.derived) for i in result.slide.instances] == [
        (4101, 1003, False), (2050, 501, True), (1025, 250, True),
    ]  # fmt: skip
    ds = result.dataset("level-1")
    assert list(ds.ImageType) == ["DERIVED", "PRIMARY", "VOLUME", "RESAMPLED"]
    assert list(ds.LossyImageCompressionMethod) == ["ISO_10918_1", "ISO_10918_1"]
    source = ds.SharedFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    assert source.ReferencedSOPInstanceUID == result.dataset("level-0").SOPInstanceUID
    base = mosaic(result, "level-0")[:1002, :4100]
    expected = base.reshape(501, 2, 2050, 2, 3).mean(axis=(1, 3))
    assert np.abs(mosaic(result, "level-1") - expected).mean() < 1.5


def test_levels_are_not_built_where_none_are_needed(converted: Convert, tmp_path: Path) -> None:
    path = tmp_path / "slide.svs"
    tiffs.svs(path, 3000, 2500)
    assert [i.columns for i in converted(path).slide.instances if i.flavor == "VOLUME"] == [3000, 750]


def test_jpeg_strips_are_joined_without_decoding(converted: Convert, tmp_path: Path) -> None:
    pixels = tiffs.tissue(300, 200)
    strips = [tiffs.abbreviated(tiffs.jpeg(np.ascontiguousarray(pixels[y : y + 16]))) for y in range(0, 200, 16)]
    path = tmp_path / "strips.svs"
    said = tiffs.APERIO.format(w=300, h=200)
    strip = tiffs.Image({**tiffs.tags(pixels, 7, 6), 278: 16, 347: strips[0][0]}, [s for _, s in strips], tiled=False)
    tiffs.write(path, [tiffs.level(pixels, rgb=True, more={270: said}), strip])
    result = converted(path)
    assert list(result.dataset("thumbnail").ImageType) == ["ORIGINAL", "PRIMARY", "THUMBNAIL", "RESAMPLED"]
    with tifffile.TiffFile(path) as tiff:
        assert np.abs(mosaic(result, "thumbnail") - tiff.pages[1].asarray()).max() <= 1


def ome(path: Path, data: Any, axes: str, **metadata: Any) -> None:
    with tifffile.TiffWriter(path, ome=True) as writer:
        options = {"tile": (64, 64), "photometric": "rgb" if axes.endswith("S") else "minisblack"}
        writer.write(data, subifds=1, metadata={"axes": axes, **metadata}, **options)
        writer.write(data[..., ::2, ::2, :] if axes.endswith("S") else data[..., ::2, ::2], **options)


def test_ome_channels_become_optical_paths(converted: Convert, tmp_path: Path) -> None:
    data = np.stack([tiffs.tissue(200, 150, seed)[:, :, 1] for seed in (1, 2, 3)]).astype(np.uint16) * 200
    path = tmp_path / "f.ome.tif"
    ome(path, data, "CYX", PhysicalSizeX=0.325, PhysicalSizeY=0.325, Channel={"Name": ["DAPI", "FITC", "Cy5"]})
    assert sniff(path) == "ome-tiff"
    result = converted(path)
    ds = result.dataset("level-0")
    assert [p.OpticalPathDescription for p in ds.OpticalPathSequence] == ["DAPI", "FITC", "Cy5"]
    assert [p.OpticalPathIdentifier for p in ds.OpticalPathSequence] == ["1", "2", "3"]
    assert all(p.IlluminationTypeCodeSequence[0].CodeValue == "111743" for p in ds.OpticalPathSequence)
    assert (ds.PhotometricInterpretation, ds.NumberOfOpticalPaths, ds.BitsStored) == ("MONOCHROME2", 3, 16)
    assert float(ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing[0]) == 0.000325
    for path_number in range(3):
        assert (mosaic(result, "level-0", path_number) == data[path_number]).all()
        assert (mosaic(result, "level-1", path_number) == data[path_number, ::2, ::2]).all()


def test_ome_planes_become_focal_planes(converted: Convert, tmp_path: Path) -> None:
    data = np.stack([tiffs.tissue(200, 150, seed) for seed in (1, 2, 3)])
    path = tmp_path / "z.ome.tif"
    ome(path, data, "ZYXS", PhysicalSizeX=0.5, PhysicalSizeY=0.5, PhysicalSizeZ=1.5)
    result = converted(path)
    ds = result.dataset("level-0")
    assert (ds.TotalPixelMatrixFocalPlanes, ds.NumberOfOpticalPaths) == (3, 1)
    assert float(ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices) == 0.0015
    for plane in range(3):
        assert (mosaic(result, "level-0", plane) == data[plane]).all()


def test_ome_planes_and_channels_in_dicom_order(converted: Convert, tmp_path: Path) -> None:
    data = np.stack([[tiffs.tissue(100, 80, 10 * z + c)[:, :, 0] for c in range(2)] for z in range(3)])
    path = tmp_path / "zc.ome.tif"
    ome(path, data, "ZCYX")
    result = converted(path)
    for c in range(2):
        for z in range(3):
            assert (mosaic(result, "level-0", c * 3 + z) == data[z, c]).all()


def test_ome_time_series_are_refused(converted: Convert, tmp_path: Path) -> None:
    path = tmp_path / "t.ome.tif"
    ome(path, np.zeros((4, 80, 80), np.uint8), "TYX")
    with pytest.raises(Unsupported) as caught:
        converted(path)
    assert caught.value.code == "time_series"


PHILIPS = """<?xml version="1.0" encoding="UTF-8"?>
<DataObject ObjectType="DPUfsImport">
 <Attribute Name="DICOM_MANUFACTURER" PMSVR="IString">Hamamatsu</Attribute>
 <Attribute Name="DICOM_ACQUISITION_DATETIME" PMSVR="IString">20240305101112.000000</Attribute>
 <Attribute Name="DICOM_DEVICE_SERIAL_NUMBER" PMSVR="IString">FMT0001</Attribute>
 <Attribute Name="PIM_DP_UFS_BARCODE" PMSVR="IString">{barcode}</Attribute>
 <Attribute Name="PIM_DP_SCANNED_IMAGES" PMSVR="IDataObjectArray"><Array>
  <DataObject ObjectType="DPScannedImage">
   <Attribute Name="PIM_DP_IMAGE_TYPE" PMSVR="IString">WSI</Attribute>
   <Attribute Name="PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE" PMSVR="IDataObjectArray"><Array>
    <DataObject ObjectType="PixelDataRepresentation">
     <Attribute Name="DICOM_PIXEL_SPACING" PMSVR="IDoubleArray">"0.00025" "0.00025"</Attribute></DataObject>
    <DataObject ObjectType="PixelDataRepresentation">
     <Attribute Name="DICOM_PIXEL_SPACING" PMSVR="IDoubleArray">"0.0005" "0.0005"</Attribute></DataObject>
   </Array></Attribute>
  </DataObject>
  <DataObject ObjectType="DPScannedImage">
   <Attribute Name="PIM_DP_IMAGE_TYPE" PMSVR="IString">LABELIMAGE</Attribute>
   <Attribute Name="PIM_DP_IMAGE_DATA" PMSVR="IString">{label}</Attribute>
  </DataObject>
 </Array></Attribute>
</DataObject>"""


def philips(path: Path) -> bytes:
    base = tiffs.tissue(1536, 1024)
    half = np.ascontiguousarray(np.pad(base[::2, ::2], ((0, 0), (0, 256), (0, 0))))
    label = tiffs.jpeg(tiffs.tissue(80, 60))
    said = PHILIPS.format(barcode=base64.b64encode(b"S24-3").decode(), label=base64.b64encode(label).decode())
    images = [
        tiffs.level(base, 512, more={270: said, 305: "Philips DP v1.0"}, sparse=(1,)),
        tiffs.level(half, 512, more={270: "level=1 mag=20"}),
    ]
    tiffs.write(path, images, big=True)
    return label


def test_philips(converted: Convert, tmp_path: Path) -> None:
    path = tmp_path / "philips.tiff"
    label = philips(path)
    assert sniff(path) == "philips-tiff"
    result = converted(path)
    ds = result.dataset("level-0")
    assert (ds.ContainerIdentifier, ds.DeviceSerialNumber) == ("S24-3", "FMT0001")
    assert float(ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing[0]) == 0.00025
    assert result.frames("label") == [label + bytes(len(label) % 2)]
    assert result.dataset("level-1").TotalPixelMatrixColumns == 768
    with tifffile.TiffFile(path) as tiff:
        for name, page in (("level-0", tiff.pages[0]), ("level-1", tiff.pages[1])):
            whole = mosaic(result, name)
            reference = page.asarray()[: whole.shape[0], : whole.shape[1]]
            if name == "level-0":
                reference[:512, 512:1024] = 255
            assert np.abs(whole - reference).max() <= 1


def test_xml_with_entities_is_refused(converted: Convert, tmp_path: Path) -> None:
    path = tmp_path / "bomb.tiff"
    pixels = tiffs.tissue(64, 64)
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><DataObject ObjectType="DPUfsImport">&a;</DataObject>'
    tiffs.write(path, [tiffs.level(pixels, 64, more={270: bomb, 305: "Philips"})])
    with pytest.raises(Invalid) as caught:
        converted(path)
    assert caught.value.code == "bad_xml"
