"""CT phantoms: ellipsoid organs in Hounsfield units, with noise and a lesion; thorax or abdomen."""

from pathlib import Path

import numpy as np
from pydicom.uid import ExplicitVRLittleEndian

from lamelle.base import ids
from lamelle.ops.demo.cases import Case
from lamelle.ops.demo.noise import Array, smooth, spectral
from lamelle.ops.demo.wsi import part10, patient_and_study

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
FIELD_MM = 380.0
STEP_MM = 5.0

# (centre x, y, z; half axes x, y, z; Hounsfield units; texture) in millimetres from the middle of the field;
# x to the patient's left, y to the back, z to the head. Later ones cover earlier ones.
Organ = tuple[float, float, float, float, float, float, float, float]

_SPINE: tuple[Organ, ...] = (
    (0, 72, 0, 19, 16, 1e4, 260, 30),
    (0, 90, 0, 8, 9, 1e4, 25, 4),
    (0, 108, 0, 6, 16, 1e4, 320, 40),
)
THORAX: tuple[Organ, ...] = (
    (0, 0, 0, 168, 118, 1e4, -95, 8),
    (0, 0, 0, 152, 102, 1e4, 48, 10),
    (-72, 2, 0, 62, 82, 150, -840, 26),
    (72, 2, 10, 60, 80, 150, -845, 26),
    (14, -24, -50, 52, 44, 62, 42, 6),
    (20, -28, -52, 30, 26, 40, 165, 8),
    (0, -12, 60, 26, 32, 70, 35, 6),
    (-6, -30, 40, 13, 13, 80, 180, 6),
    (14, 46, 0, 12, 12, 1e4, 170, 6),
    (0, 14, 90, 9, 9, 60, -980, 3),
    (-64, 0, -125, 70, 78, 60, 105, 9),
    (0, -92, 0, 17, 6, 120, 220, 30),
    *_SPINE,
    (-84, -22, 30, 11, 10, 11, 38, 8),
    (92, 34, -20, 5, 5, 5, 60, 8),
)
ABDOMEN: tuple[Organ, ...] = (
    (0, 0, 0, 170, 122, 1e4, -100, 8),
    (0, 4, 0, 150, 104, 1e4, 42, 12),
    (0, -14, 0, 134, 84, 1e4, -88, 9),
    (-70, -6, 40, 72, 72, 86, 108, 9),
    (82, 30, 60, 34, 46, 46, 118, 9),
    (52, -34, 60, 44, 32, 50, 18, 14),
    (52, -52, 60, 30, 12, 40, -700, 40),
    (-60, 48, -30, 28, 30, 54, 170, 10),
    (66, 50, -20, 27, 30, 54, 172, 10),
    (-60, 44, -30, 9, 10, 26, -60, 8),
    (66, 46, -20, 9, 10, 26, -60, 8),
    (8, 12, 20, 52, 13, 13, 82, 9),
    (-38, -38, 10, 17, 20, 26, 6, 5),
    (10, 48, 0, 11, 11, 1e4, 175, 6),
    (-18, 44, 0, 13, 11, 1e4, 130, 6),
    (-30, -46, -70, 24, 22, 60, 30, 14),
    (36, -40, -80, 30, 24, 50, 34, 14),
    (6, -54, -90, 26, 20, 40, 28, 14),
    *_SPINE,
)
METASTASES: tuple[Organ, ...] = (
    (-92, -20, 60, 15, 14, 15, 62, 8),
    (-54, 20, 30, 10, 10, 10, 58, 8),
    (-88, 18, 76, 7, 7, 7, 66, 8),
)


def phantom(organs: tuple[Organ, ...], slices: int, size: int, seed: int) -> Array:
    """Hounsfield units (slices, size, size) int16, feet first; rows run to the back, columns to the patient's left."""
    rng = np.random.default_rng(seed)
    axis = (np.arange(size, dtype=np.float32) + 0.5) * (FIELD_MM / size) - FIELD_MM / 2
    x, y = axis[None], axis[:, None]
    fine = spectral(256, rng, 1.3)
    warp = smooth((size, size), size / 9, rng) * 0.05
    ribs = np.cos(np.arctan2(y, x) * 11)
    out = np.empty((slices, size, size), np.int16)
    for k in range(slices):
        z = (k - (slices - 1) / 2) * STEP_MM
        image = np.full((size, size), -1000.0, np.float32)
        for cx, cy, cz, ax, ay, az, units, texture in organs:
            d = 1 + warp - np.sqrt(((x - cx) / ax) ** 2 + ((y - cy) / ay) ** 2 + ((z - cz) / az) ** 2)
            alpha = np.clip(d * min(ax, ay) / 1.4 + 0.5, 0, 1)
            image += alpha * (
                units
                + texture
                * np.roll(fine, (k * 37, k * 11), (0, 1))[: min(size, 256)]
                .repeat(size // 256 or 1, 0)
                .repeat(size // 256 or 1, 1)[:size, :size]
                - image
            )
        shell = np.abs(np.hypot(x / 156, y / 106) - 0.955) * 130
        bone = np.clip(2.6 - shell, 0, 1) * np.clip(ribs * 3 + 2 * np.sin(z / 9) - 0.5, 0, 1)
        image += bone * (330 - image)
        table = (np.abs(y - 138 - x * x / 1500) < 3) & (np.abs(x) < 175)
        image = np.where(table, -250, image)
        noise = spectral(256, rng, 0.8).repeat(max(1, size // 256), 0).repeat(max(1, size // 256), 1)[:size, :size]
        out[k] = np.clip(image + 9 * noise + 5 * rng.standard_normal((size, size)), -1024, 1500)
    return out


def write(folder: Path, case: Case, organs: tuple[Organ, ...], slices: int, size: int = 512) -> list[Path]:
    """Writes one series of axial images into `folder`."""
    volume = phantom(organs, slices, size, case.patient.number)
    series = ids.uid_from("lamelle demo", "series", case.accession)
    spacing = round(FIELD_MM / size, 6)
    paths = []
    for k, pixels in enumerate(volume):
        out = patient_and_study(case)
        out.SOPClassUID, out.SOPInstanceUID = CT_IMAGE, ids.uid_from("lamelle demo", case.accession, str(k))
        out.ImageType, out.Modality = ["ORIGINAL", "PRIMARY", "AXIAL"], "CT"
        out.SeriesInstanceUID, out.SeriesNumber, out.InstanceNumber = series, 2, k + 1
        out.SeriesDescription, out.BodyPartExamined = f"{case.title} 5 mm", "CHEST" if organs is THORAX else "ABDOMEN"
        out.SeriesDate = out.AcquisitionDate = out.ContentDate = out.StudyDate
        out.SeriesTime = out.AcquisitionTime = out.ContentTime = out.StudyTime
        out.FrameOfReferenceUID, out.PositionReferenceIndicator = series + ".1", ""
        out.PatientPosition, out.KVP, out.AcquisitionNumber = "HFS", "120", 1
        out.ImagePositionPatient = [
            f"{-FIELD_MM / 2 + spacing / 2:.4f}",
            f"{-FIELD_MM / 2 + spacing / 2:.4f}",
            f"{k * STEP_MM:g}",
        ]
        out.ImageOrientationPatient, out.PixelSpacing = [1, 0, 0, 0, 1, 0], [spacing, spacing]
        out.SliceThickness, out.SliceLocation = f"{STEP_MM:g}", f"{k * STEP_MM:g}"
        out.SamplesPerPixel, out.PhotometricInterpretation, out.Rows, out.Columns = 1, "MONOCHROME2", size, size
        out.BitsAllocated, out.BitsStored, out.HighBit, out.PixelRepresentation = 16, 16, 15, 1
        out.RescaleIntercept, out.RescaleSlope, out.RescaleType = 0, 1, "HU"
        out.WindowCenter, out.WindowWidth = ([40, -600], [400, 1500]) if organs is THORAX else (40, 400)
        out.PixelData = pixels.astype("<i2").tobytes()
        path = folder / f"{k + 1:03d}.dcm"
        path.write_bytes(part10(out, ExplicitVRLittleEndian))
        paths.append(path)
    return paths
