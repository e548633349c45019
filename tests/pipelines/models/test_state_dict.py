import pickle
import sys
import zipfile

import numpy as np
import pytest

from pipelines.errors import ModelError
from pipelines.models.state_dict import DTYPES, MAGIC_NUMBER, PROTOCOL, read_state_dict

KINDS = {dtype: kind for kind, dtype in DTYPES.items()}
ARRAYS = {
    "stem.weight": np.arange(24, dtype="<f4").reshape(2, 3, 2, 2) / 7,
    "stem.bias": np.array([1, -2], dtype="<f8"),
    "seen": np.array(7, dtype="<i8"),
    "half": np.array([0.5, 2.0], dtype="<f2"),
    "bytes": np.array([[1, 2], [3, 255]], dtype="u1"),
    "mask": np.array([True, False]),
    "nothing": np.zeros((0, 3), dtype="<f4"),
}
FORMS = ("archive", "stream")


class Told:
    """A pickle written opcode by opcode, because a pickler would want to import PyTorch."""

    EMPTY_ORDERED = b"ccollections\nOrderedDict\n)R"

    def __init__(self, form):
        self.form, self.storages = form, {}

    @staticmethod
    def number(value):
        return b"J" + int(value).to_bytes(4, "little", signed=True)

    @staticmethod
    def text(value):
        return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()

    def numbers(self, values):
        return b"(" + b"".join(self.number(value) for value in values) + b"t"

    def storage(self, kind, key, length):
        view = b"N" if self.form == "stream" else b""
        words = (self.text("storage"), b"ctorch\n" + kind.encode() + b"\n", self.text(key), self.text("cpu"))
        return b"(" + b"".join(words) + self.number(length) + view + b"tQ"

    def tensor(self, array, layout=None):
        key = str(len(self.storages))
        self.storages[key] = array
        stride = [step // array.itemsize for step in array.strides]
        offset, size, stride = layout or (0, array.shape, stride)
        body = self.storage(KINDS[array.dtype], key, array.size) + self.number(offset)
        body += self.numbers(size) + self.numbers(stride) + b"\x89" + self.EMPTY_ORDERED
        return b"ctorch._utils\n_rebuild_tensor_v2\n(" + body + b"tR"

    def whole(self, entries):
        items = b"".join(self.text(name) + entry for name, entry in entries.items())
        return b"\x80\x02" + self.EMPTY_ORDERED + b"(" + items + b"u."


def write(path, form, pickled, storages):
    """A file as PyTorch writes it, around a pickle."""
    if form == "archive":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("net/data.pkl", pickled)
            archive.writestr("net/byteorder", "little")
            for key, array in storages.items():
                archive.writestr(f"net/data/{key}", array.tobytes())
        return
    machine = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {"int": 4}}
    with path.open("wb") as file:
        for header in (MAGIC_NUMBER, PROTOCOL, machine):
            pickle.dump(header, file, protocol=2)
        file.write(pickled)
        pickle.dump(list(storages), file, protocol=2)
        for array in storages.values():
            file.write(array.size.to_bytes(8, "little") + array.tobytes())


def write_arrays(path, form, arrays=ARRAYS):
    told = Told(form)
    pickled = told.whole({name: told.tensor(array) for name, array in arrays.items()})
    write(path, form, pickled, told.storages)


@pytest.fixture(params=FORMS)
def form(request):
    return request.param


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.pth"


def test_every_kind_of_tensor_comes_back_as_it_was(path, form):
    write_arrays(path, form)
    found = read_state_dict(path)
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)
        assert found[name].flags.owndata


def test_a_tensor_may_be_a_turned_part_of_its_storage(path, form):
    told, numbers = Told(form), np.arange(12, dtype="<f4")
    write(path, form, told.whole({"part": told.tensor(numbers, (1, (4, 2), (3, 1)))}), told.storages)
    expected = numbers.reshape(4, 3)[:, 1:]
    assert np.array_equal(read_state_dict(path)["part"], expected)


@pytest.mark.parametrize(
    "layout",
    [
        (0, (13,), (1,)),
        (1, (12,), (1,)),
        (0, (2, 2), (11, 1)),
        (-1, (2,), (1,)),
        (0, (2,), (-1,)),
        (0, (-2,), (1,)),
        (0, (2, 2), (1,)),
        (0, (20000, 20000), (0, 0)),
    ],
)
def test_a_tensor_that_reaches_beyond_its_storage_is_refused(path, form, layout):
    told = Told(form)
    write(path, form, told.whole({"part": told.tensor(np.arange(12, dtype="<f4"), layout)}), told.storages)
    with pytest.raises(ModelError, match=r"impossible layout|beyond its storage"):
        read_state_dict(path)


@pytest.mark.parametrize(
    "called",
    [
        "os system",
        "builtins eval",
        "builtins getattr",
        "torch load",
        "torch._utils _rebuild_parameter",
        "torch.storage _load_from_bytes",
        "collections defaultdict",
        "numpy load",
        "torch DTYPES",
    ],
)
def test_nothing_is_called_that_a_state_dict_does_not_need(path, form, called, tmp_path):
    module, name = called.split()
    argument = Told.text(f"touch {tmp_path}/called")
    told = Told(form)
    harm = f"c{module}\n{name}\n".encode() + b"(" + argument + b"tR"
    write(path, form, told.whole({"weight": told.tensor(np.ones(2, "<f4")), "harm": harm}), told.storages)
    with pytest.raises(ModelError, match=rf"asks for {module}\.{name}, which no state dict needs"):
        read_state_dict(path)
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize("target", ["torch._utils _rebuild_tensor_v2", "collections OrderedDict", "torch FloatStorage"])
def test_a_pickle_cannot_change_what_the_reader_is_made_of(path, form, target):
    told = Told(form)
    attributes = b"}(" + told.text("__defaults__") + told.numbers([1]) + b"u"
    harm = b"c" + "\n".join(target.split()).encode() + b"\n" + b"N" + attributes + b"\x86b"
    write(path, form, told.whole({"harm": harm}), told.storages)
    with pytest.raises(ModelError, match="cannot be read"):
        read_state_dict(path)
    write_arrays(path, form)
    assert np.array_equal(read_state_dict(path)["seen"], ARRAYS["seen"])


@pytest.mark.parametrize("entry", [b"K\x01", b"N", Told.text("weight"), b"(K\x01K\x02t", Told.EMPTY_ORDERED])
def test_an_entry_that_is_no_tensor_is_named(path, form, entry):
    told = Told(form)
    write(path, form, told.whole({"odd one": entry}), {})
    with pytest.raises(ModelError, match="'odd one' is no tensor"):
        read_state_dict(path)


def test_a_file_that_ends_too_early_is_refused_wherever_it_ends(path, form):
    write_arrays(path, form)
    whole = path.read_bytes()
    for end in range(0, len(whole) - 1, 37):
        path.write_bytes(whole[:end])
        with pytest.raises(ModelError, match="cannot be read as a PyTorch state dict"):
            read_state_dict(path)


def test_a_damaged_file_is_read_or_refused_and_nothing_else(path, form):
    write_arrays(path, form)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read_state_dict(path)
        except ModelError:
            refused += 1
    assert 30 < refused < 300


def test_compressed_entries_are_refused(path):
    told = Told("archive")
    pickled = told.whole({"weight": told.tensor(np.zeros(4000, "<f4"))})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data.pkl", pickled, zipfile.ZIP_STORED)
        archive.writestr("net/data/0", bytes(16000))
    with pytest.raises(ModelError, match="net/data/0 is compressed"):
        read_state_dict(path)


def test_numbers_of_a_big_endian_machine_are_refused(path):
    told = Told("archive")
    pickled = told.whole({"weight": told.tensor(np.zeros(2, "<f4"))})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", pickled)
        archive.writestr("net/byteorder", "big")
        archive.writestr("net/data/0", bytes(8))
    with pytest.raises(ModelError, match="big-endian"):
        read_state_dict(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x89HDF\r\n", pickle.dumps([1, 2]), b"words\n" * 100])
def test_other_files_are_told_from_state_dicts(path, content):
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"net\.pth cannot be read as a PyTorch state dict \(.+\)\. Expected what"):
        read_state_dict(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"There is no file .*nowhere\.pth"):
        read_state_dict(tmp_path / "nowhere.pth")


def test_what_pytorch_writes_today_and_wrote_before_is_read(path):
    torch = pytest.importorskip("torch")
    layer = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    for today in (True, False):
        torch.save(layer.state_dict(), path, _use_new_zipfile_serialization=today)
        found = read_state_dict(path)
        assert list(found) == list(layer.state_dict())
        assert all(np.array_equal(found[name], tensor.numpy()) for name, tensor in layer.state_dict().items())


def test_a_state_dict_is_read_where_there_is_no_pytorch(monkeypatch, path, form):
    monkeypatch.setitem(sys.modules, "torch", None)
    write_arrays(path, form)
    assert len(read_state_dict(path)) == len(ARRAYS)
