"""Clients no one here wrote, against a real server: dicomweb-client, wsidicom, highdicom."""

import io
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from lamelle.dicom import render
from lamelle.testing import instances

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import highdicom
    from dicomweb_client.api import DICOMwebClient
    from wsidicom import WsiDicom, WsiDicomWebClient

pytestmark = [
    # What other people's code warns about is theirs.
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def client(server: str) -> DICOMwebClient:
    return DICOMwebClient(server)


@pytest.fixture(scope="module")
def cts(client: DICOMwebClient) -> list[pydicom.Dataset]:
    files = [instances.instance("clients", number=n, PatientID="clients") for n in (1, 2, 3)]
    made: list[pydicom.Dataset] = [pydicom.dcmread(io.BytesIO(file)) for file in files]
    client.store_instances(made)
    return made


def tile(level: int) -> bytes:
    return render.encoded([np.full((256, 256, 3), level, np.uint8)], "image/jpeg", quality=95)


@pytest.fixture(scope="module")
def slide(client: DICOMwebClient) -> pydicom.Dataset:
    tiles = [tile(20 + 40 * n) for n in range(4)]
    made = pydicom.dcmread(
        io.BytesIO(instances.slide(tiles, "slides", ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]))
    )
    client.store_instances([made])
    return made


def names(made: pydicom.Dataset) -> tuple[str, str, str]:
    return str(made.StudyInstanceUID), str(made.SeriesInstanceUID), str(made.SOPInstanceUID)


def test_dicomweb_client_stores(client: DICOMwebClient) -> None:
    made = [pydicom.dcmread(io.BytesIO(instances.instance("stow", number=n))) for n in (1, 2)]
    answer = client.store_instances(made, str(made[0].StudyInstanceUID))
    assert len(answer.ReferencedSOPSequence) == 2


def test_dicomweb_client_searches(client: DICOMwebClient, cts: list[pydicom.Dataset]) -> None:
    study, series, _ = names(cts[0])
    [found] = client.search_for_studies(search_filters={"PatientID": "clients"})
    assert found["0020000D"]["Value"] == [study]
    assert found["00201208"]["Value"] == [3]
    assert [s["0020000E"]["Value"] for s in client.search_for_series(study)] == [[series]]
    assert len(client.search_for_instances(study, series)) == 3
    assert len(client.search_for_instances(study, series, limit=2)) == 2
    assert len(client.search_for_instances(study, series, limit=2, offset=2)) == 1
    assert client.search_for_studies(search_filters={"PatientID": "nobody"}) == []


def test_dicomweb_client_retrieves_instances(client: DICOMwebClient, cts: list[pydicom.Dataset]) -> None:
    study, series, instance = names(cts[1])
    assert client.retrieve_instance(study, series, instance).PixelData == cts[1].PixelData
    assert len(client.retrieve_series(study, series)) == 3
    assert len(client.retrieve_study(study)) == 3
    [one] = [item for item in client.iter_series(study, series) if item.SOPInstanceUID == instance]
    assert one == cts[1]


def test_dicomweb_client_retrieves_metadata(client: DICOMwebClient, cts: list[pydicom.Dataset]) -> None:
    study, series, instance = names(cts[0])
    found = pydicom.Dataset.from_json(client.retrieve_instance_metadata(study, series, instance))
    assert (found.PatientName, found.Rows) == (cts[0].PatientName, 4)
    assert len(client.retrieve_study_metadata(study)) == 3
    assert len(client.retrieve_series_metadata(study, series)) == 3


def test_dicomweb_client_retrieves_frames_and_bulk(client: DICOMwebClient, cts: list[pydicom.Dataset]) -> None:
    study, series, instance = names(cts[0])
    [frame] = client.retrieve_instance_frames(study, series, instance, [1])
    assert frame == cts[0].PixelData
    metadata = client.retrieve_instance_metadata(study, series, instance)
    [bulk] = client.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"])
    assert bulk == cts[0].PixelData
    [part] = client.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"], byte_range=(0, 7))
    assert cts[0].PixelData.startswith(part)


def test_dicomweb_client_retrieves_encoded_tiles(client: DICOMwebClient, slide: pydicom.Dataset) -> None:
    media = (("image/jpeg", "1.2.840.10008.1.2.4.50"),)
    found = client.retrieve_instance_frames(*names(slide), [2, 4], media_types=media)
    assert [np.asarray(Image.open(io.BytesIO(frame)))[0, 0, 0] for frame in found] == [60, 140]
    octets = (("application/octet-stream", "1.2.840.10008.1.2.1"),)
    [decoded] = client.retrieve_instance_frames(*names(slide), [2], media_types=octets)
    assert len(decoded) == 256 * 256 * 3


def test_dicomweb_client_retrieves_pictures(client: DICOMwebClient, slide: pydicom.Dataset) -> None:
    data = client.retrieve_instance_rendered(*names(slide), media_types=("image/jpeg",))
    assert Image.open(io.BytesIO(data)).size == (1024, 256)
    data = client.retrieve_instance_frames_rendered(*names(slide), [3], media_types=("image/png",))
    assert np.asarray(Image.open(io.BytesIO(data)))[9, 9].tolist() == [100, 100, 100]


def test_highdicom_reads_what_we_send(client: DICOMwebClient, cts: list[pydicom.Dataset]) -> None:
    read = client.retrieve_series(*names(cts[0])[:2])
    image = highdicom.Image.from_dataset(read[0])
    assert bytes(image.get_raw_frame(1)) == cts[0].PixelData


def test_wsidicom_opens_a_slide_over_the_web(server: str, shared_data: Path) -> None:
    files = sorted((shared_data / "wsi/dicom/cytomine_studyA").glob("*.dcm"))
    made = [pydicom.dcmread(file) for file in files]
    client = DICOMwebClient(server)
    client.store_instances(made)
    study = str(made[0].StudyInstanceUID)
    series = sorted({str(item.SeriesInstanceUID) for item in made})
    with WsiDicom.open(files) as local, WsiDicom.open_web(WsiDicomWebClient(client), study, series) as remote:
        assert [level.size for level in remote.levels] == [level.size for level in local.levels]
        for level in range(len(local.levels)):
            ours = remote.read_tile(local.levels[level].level, (0, 0))
            theirs = local.read_tile(local.levels[level].level, (0, 0))
            assert np.array_equal(np.asarray(ours), np.asarray(theirs))
        region = (local.levels[0].level, (100, 100), (600, 400))
        ours, theirs = (np.asarray(slide.read_region(region[1], region[0], region[2])) for slide in (remote, local))
        assert np.array_equal(ours, theirs)
