"""The client of `mediapipe`: MediaPipe in the media server's process, hands and face mesh for each participant."""

from __future__ import annotations

from typing import Any

import mediapipe


class MediaPipe:
    """Two graphs per participant. They track the video, so participants cannot share them."""

    async def open(self, target: str, participants: int) -> None:
        solutions = mediapipe.solutions
        self._graphs = [
            (
                solutions.hands.Hands(static_image_mode=False, max_num_hands=2),
                solutions.face_mesh.FaceMesh(static_image_mode=False, max_num_faces=1),
            )
            for _ in range(participants)
        ]

    async def detect(self, participant: int, picture: Any) -> int:
        pixels = picture.to_ndarray(format="rgb24")
        hands, mesh = self._graphs[participant]
        found_hands, found_faces = hands.process(pixels), mesh.process(pixels)
        return len(found_hands.multi_hand_landmarks or []) + len(found_faces.multi_face_landmarks or [])

    async def close(self) -> None:
        for hands, mesh in self._graphs:
            hands.close()
            mesh.close()


def open_client() -> MediaPipe:
    return MediaPipe()
