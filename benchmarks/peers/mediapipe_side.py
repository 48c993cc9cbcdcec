"""MediaPipe in the media server's own process: hands and a face mesh for each participant, following its video."""

from __future__ import annotations

from typing import Any

import mediapipe


class MediaPipe:
    """Two graphs a participant: they follow what they see, so participants cannot share them."""

    async def open(self, target: str, seats: int) -> None:
        solutions = mediapipe.solutions
        self._graphs = [
            (
                solutions.hands.Hands(static_image_mode=False, max_num_hands=2),
                solutions.face_mesh.FaceMesh(static_image_mode=False, max_num_faces=1),
            )
            for _ in range(seats)
        ]

    async def ask(self, seat: int, picture: Any) -> int:
        pixels = picture.to_ndarray(format="rgb24")
        hands, mesh = self._graphs[seat]
        found_hands, found_faces = hands.process(pixels), mesh.process(pixels)
        return len(found_hands.multi_hand_landmarks or []) + len(found_faces.multi_face_landmarks or [])

    async def close(self) -> None:
        for hands, mesh in self._graphs:
            hands.close()
            mesh.close()


def open_side() -> MediaPipe:
    return MediaPipe()
