"""Which language a question or an article is in."""

from __future__ import annotations

import pytest

from index.language import detect


@pytest.mark.parametrize(
    ("text", "language"),
    [
        pytest.param("Et en 2019 ?", "fr", id="three words"),
        pytest.param("Combien de soldats ont été déployés ?", "fr", id="fr"),
        pytest.param("Who is the spokesman of the ministry?", "en", id="en"),
        pytest.param("Wer ist der Sprecher des Ministeriums?", "de", id="de"),
        pytest.param("¿Quién es el portavoz del ministerio?", "es", id="es"),
        pytest.param("Кто является пресс-секретарём министерства обороны?", "ru", id="another script"),
        pytest.param("2019 ?", "fr", id="no letters"),
        pytest.param("", "fr", id="empty"),
    ],
)
def test_language(text: str, language: str) -> None:
    assert detect(text) == language
