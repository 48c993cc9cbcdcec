"""The gestures in service: files of a folder, and what is kept in memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gifcue.errors import ConfigError, WrongState
from gifcue.gestures.folder import MAX_GESTURES, GestureFolder
from gifcue.gestures.library import GestureLibrary
from gifcue.gestures.samples import GestureError
from gifcue.gestures.taught import TaughtGesture
from tests.support.gestures import gesture


def put(folder: Path, name: str, content: bytes) -> None:
    """Replaces a file as another server does."""
    part = folder / f"{name}.part"
    part.write_bytes(content)
    part.replace(folder / name)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder refuses every change. Permissions alone do not stop a test that runs as root."""

    def refuse(*arguments: object, **named: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("gifcue.gestures.folder.Path.unlink", refuse)
    monkeypatch.setattr("gifcue.gestures.folder.Path.open", refuse)
    monkeypatch.setattr("gifcue.gestures.folder.os.access", lambda *_: False)


async def test_a_gesture_that_is_kept_is_in_its_file_and_found_after_a_restart(tmp_path: Path) -> None:
    changes: list[tuple[TaughtGesture, ...]] = []
    library = GestureLibrary(tmp_path, changes.append)
    assert library.is_writable
    assert await library.keep(gesture("fan", gif="wave_1"))
    assert names_in(tmp_path) == ["fan.json"]
    assert [each.labels for each in changes[-1]] == [("fan",)]
    again = GestureLibrary(tmp_path)
    assert again.labels == ("fan",)
    assert again.gestures[0].gif == "wave_1"
    assert again.find("fan") == again.served[0]


async def test_another_server_finds_a_change_of_the_shared_folder(tmp_path: Path) -> None:
    changes: list[tuple[TaughtGesture, ...]] = []
    mine, other = GestureLibrary(tmp_path), GestureLibrary(tmp_path, changes.append)
    await mine.keep(gesture("fan"))
    assert (await other.reload()).labels == ("fan",)
    await other.reload()
    assert len(changes) == 1, "a folder that has not changed changes nothing"
    await mine.keep(gesture("fan", gif="wave_1"), replace=True)
    await other.reload()
    assert other.gestures[0].gif == "wave_1"
    assert await mine.delete("fan")
    assert (await other.reload()).labels == ()
    assert not await other.delete("fan")


async def test_a_damaged_file_is_reported_and_the_others_are_served(tmp_path: Path) -> None:
    put(tmp_path, "fan.json", gesture("fan").as_json())
    put(tmp_path, "bad.json", b"\x80\x04K\x01.")
    put(tmp_path, "face.json", gesture("face").as_json())
    put(tmp_path, "twin.json", gesture("fan").as_json())
    put(tmp_path, "gif.json", json.dumps({**json.loads(gesture("gif").as_json()), "gif": 7}).encode())
    put(tmp_path, "README.md", b"not a gesture")
    (tmp_path / "folder.json").mkdir()
    library = GestureLibrary(tmp_path)
    assert library.labels == ("fan",)
    problems = dict(library.problems)
    assert "expected a gesture classifier" in problems.pop("bad.json")
    assert "has a meaning already" in problems.pop("face.json")
    assert problems.pop("twin.json") == "expected a label of its own, got fan, which fan.json has"
    assert problems.pop("gif.json").startswith("gif: expected a name of 1 to 128 characters")
    assert "expected a file" in problems.pop("folder.json")
    assert not problems


async def test_a_file_that_becomes_damaged_keeps_its_last_version_in_service(tmp_path: Path) -> None:
    library = GestureLibrary(tmp_path)
    await library.keep(gesture("fan"))
    put(tmp_path, "fan.json", b"{")
    reloaded = await library.reload()
    assert reloaded.labels == ("fan",)
    assert "expected a gesture classifier" in reloaded.problems["fan.json"]
    put(tmp_path, "fan.json", gesture("fan", gif="a").as_json())
    assert not (await library.reload()).problems
    assert library.gestures[0].gif == "a"


async def test_without_a_folder_a_gesture_is_kept_in_memory(tmp_path: Path) -> None:
    changes: list[tuple[TaughtGesture, ...]] = []
    library = GestureLibrary(None, changes.append)
    assert not library.has_folder
    assert not await library.keep(gesture("fan"))
    assert library.served[0].file is None
    assert (await library.reload()).labels == ("fan",)
    assert await library.delete("fan")
    assert [len(each) for each in changes] == [1, 0]


async def test_in_a_read_only_folder_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "fan.json", gesture("fan").as_json())
    library = GestureLibrary(tmp_path)
    read_only(monkeypatch)
    assert not library.is_writable
    assert not await library.keep(gesture("fan", gif="new"), replace=True)
    assert not await library.keep(gesture("horns"))
    assert {each.gesture.labels[0]: each.file for each in library.served} == {"fan": None, "horns": None}
    assert library.gestures[0].gif == "new", "what is in memory takes the place of the file"
    with pytest.raises(GestureError, match=r"fan\.json is still there"):
        await library.delete("fan")
    assert await library.delete("horns")
    assert names_in(tmp_path) == ["fan.json"]


async def test_gestures_are_bounded(tmp_path: Path) -> None:
    for number in range(MAX_GESTURES + 1):
        put(tmp_path, f"g{number:02d}.json", gesture(f"g{number}").as_json())
    library = GestureLibrary(tmp_path)
    assert len(library.labels) == MAX_GESTURES
    assert dict(library.problems) == {"g64.json": "expected at most 64 gestures, got more"}
    with pytest.raises(GestureError, match="expected at most 64 gestures"):
        await library.keep(gesture("one_more"))


async def test_a_file_with_several_labels_is_not_changed(tmp_path: Path) -> None:
    put(tmp_path, "both.json", gesture("fan", "horns").as_json())
    library = GestureLibrary(tmp_path)
    assert library.labels == ("fan", "horns")
    for change in (library.keep(gesture("fan"), replace=True), library.delete("horns")):
        with pytest.raises(GestureError, match=r"got both\.json with 2 labels"):
            await change


async def test_a_label_in_service_is_replaced_only_when_asked(tmp_path: Path) -> None:
    mine, other = GestureLibrary(tmp_path), GestureLibrary(tmp_path)
    await other.keep(gesture("fan", gif="old"))
    # The file came after the last look, and counts nevertheless.
    with pytest.raises(WrongState, match="expected a new label, got fan"):
        await mine.keep(gesture("fan", gif="new"))
    assert mine.gestures[0].gif == "old"
    assert await mine.keep(gesture("fan", gif="new"), replace=True)
    assert [each.gif for each in GestureLibrary(tmp_path).gestures] == ["new"]


@pytest.mark.parametrize(
    "content", [gesture("fan", "horns").as_json(), b"{"], ids=["other labels", "damaged"]
)
async def test_the_file_of_another_gesture_is_not_replaced(tmp_path: Path, content: bytes) -> None:
    put(tmp_path, "hands.json", content)
    library = GestureLibrary(tmp_path)
    for replace in (False, True):
        with pytest.raises(GestureError, match=r"with the name hands\.json, got one: rename it first"):
            await library.keep(gesture("hands"), replace=replace)
    assert (tmp_path / "hands.json").read_bytes() == content


async def test_a_gesture_in_memory_takes_the_place_of_the_file_that_it_hides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "old.json", gesture("fan").as_json())
    changes: list[tuple[TaughtGesture, ...]] = []
    library = GestureLibrary(tmp_path, changes.append)
    with monkeypatch.context() as patch:
        read_only(patch)
        assert not await library.keep(gesture("fan", gif="memory"), replace=True)
    assert await library.keep(gesture("fan", gif="file"), replace=True)
    assert names_in(tmp_path) == ["old.json"]
    assert [(each.file, each.gesture.gif) for each in library.served] == [("old.json", "file")]
    assert [each.gif for each in changes[-1]] == ["file"], "who follows the library is told"


async def test_a_hidden_file_with_several_labels_is_neither_replaced_nor_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = GestureLibrary(tmp_path)
    with monkeypatch.context() as patch:
        read_only(patch)
        assert not await library.keep(gesture("fan"))
    put(tmp_path, "both.json", gesture("fan", "horns").as_json())
    for change in (library.keep(gesture("fan"), replace=True), library.delete("fan")):
        with pytest.raises(GestureError, match=r"got both\.json with 2 labels"):
            await change
    assert names_in(tmp_path) == ["both.json"]


async def test_damaged_files_count_among_the_gestures(tmp_path: Path) -> None:
    for number in range(MAX_GESTURES):
        put(tmp_path, f"g{number:02d}.json", b"{")
    library = GestureLibrary(tmp_path)
    # The folder would not read its file, or read it in place of another one.
    for label in ("a_first", "z_last"):
        with pytest.raises(GestureError, match="expected at most 64 gestures"):
            await library.keep(gesture(label))
    assert len(names_in(tmp_path)) == MAX_GESTURES


async def test_a_gesture_that_is_written_and_not_served_is_not_reported_as_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = GestureLibrary(tmp_path)
    with monkeypatch.context() as patch:
        read_only(patch)
        assert not await library.keep(gesture("fan", gif="memory"))

    def write_half(folder: GestureFolder, name: str, made: TaughtGesture) -> None:
        put(folder.path, name, made.as_json()[:-10])

    with monkeypatch.context() as patch:
        patch.setattr(GestureFolder, "write", write_half)
        with pytest.raises(GestureError, match=r"fan: expected fan\.json to be served .* classifier"):
            await library.keep(gesture("fan", gif="file"), replace=True)
    assert [each.gif for each in library.gestures] == ["memory"], "what was in service stays"


async def test_a_folder_that_cannot_be_read_for_a_moment_keeps_its_gestures(tmp_path: Path) -> None:
    folder = tmp_path / "gestures"
    folder.mkdir()
    library = GestureLibrary(folder)
    await library.keep(gesture("fan"))
    folder.rename(tmp_path / "away")
    reloaded = await library.reload()
    assert reloaded.labels == ("fan",)
    assert reloaded.problems[""].startswith("expected a readable folder")
    (tmp_path / "away").rename(folder)
    assert not (await library.reload()).problems


def test_a_folder_that_does_not_exist_is_a_mistake_of_the_settings(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a folder of gesture classifiers, got none"):
        GestureFolder(tmp_path / "none")
