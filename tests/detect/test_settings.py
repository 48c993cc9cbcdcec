from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from pydantic import ValidationError

from gifcue.detect.devices import visible_devices
from gifcue.detect.settings import DetectSettings


def test_a_worker_opens_what_the_settings_say() -> None:
    config = DetectSettings(
        model_dir=Path("m"), backend="savedmodel", threads=3, max_faces=1, max_hands=2
    ).detector()
    assert (config.model_dir, config.backend, config.threads) == (Path("m"), "savedmodel", 3)
    assert (config.max_faces, config.max_hands) == (1, 2)


def test_a_worker_opens_every_setting_that_a_detector_has() -> None:
    settings = DetectSettings(
        model_dir=Path("m"),
        backend="savedmodel",
        precision="float",
        threads=2,
        max_faces=3,
        max_hands=4,
        score_floor=0.5,
        model_sha256="ab" * 32,
    )
    config = settings.detector()
    shared = {field.name for field in dataclasses.fields(config)} & DetectSettings.model_fields.keys()
    assert len(shared) == 10
    assert {name: getattr(config, name) for name in shared} == {
        name: getattr(settings, name) for name in shared
    }


def test_batches_are_as_large_as_the_backend_gains_from() -> None:
    assert DetectSettings(backend="litert").batch_limit == 1
    assert DetectSettings(backend="savedmodel").batch_limit == 8
    assert DetectSettings(backend="litert", max_batch=4).batch_limit == 4


def test_only_the_fixed_sizes_are_taken() -> None:
    with pytest.raises(ValidationError, match="max_batch"):
        DetectSettings.model_validate({"max_batch": 3})


def test_each_worker_gets_its_device_and_its_share_of_the_cores() -> None:
    settings = DetectSettings(workers=3, threads=2, cuda_devices=("0", "1"))
    environments = [settings.environment(index) for index in range(3)]
    assert [environment["CUDA_VISIBLE_DEVICES"] for environment in environments] == ["0", "1", "0"]
    assert {environment["OMP_NUM_THREADS"] for environment in environments} == {"2"}
    assert "CUDA_VISIBLE_DEVICES" not in DetectSettings().environment(0)


def test_with_a_saved_model_there_is_a_worker_for_each_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-2f, 3")
    settings = DetectSettings(backend="savedmodel")
    assert (settings.cuda_devices, settings.workers) == (("GPU-2f", "3"), 2)
    assert settings.environment(1)["CUDA_VISIBLE_DEVICES"] == "3"
    assert DetectSettings(backend="litert").cuda_devices == ()


def test_where_no_device_is_visible_there_is_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        settings = DetectSettings(backend="savedmodel")
        assert (settings.cuda_devices, settings.workers) == ((), 1)
        assert settings.environment(0)["CUDA_VISIBLE_DEVICES"] == hidden


def test_devices_are_counted_by_their_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name in ("nvidia5", "nvidia7", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    assert visible_devices(tmp_path) == ("0", "1")
    assert visible_devices(tmp_path / "nothing") == ()


def test_a_device_s_memory_is_taken_as_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_FORCE_GPU_ALLOW_GROWTH", raising=False)
    assert DetectSettings().environment(0)["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "false")
    assert DetectSettings().environment(0)["TF_FORCE_GPU_ALLOW_GROWTH"] == "false"
