"""The login in a real browser: what is shown before it, that it lets in, and a page of another origin."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from served import LOGIN, archive, served


@pytest.fixture
def page(chromium: Browser) -> Page:
    page = chromium.new_page(locale="en-GB")
    page.set_default_timeout(15_000)
    return page


def test_who_logs_in_sees_the_page(page: Page, tmp_path: Path) -> None:
    home = archive(tmp_path / "home")
    blocked: list[str] = []
    page.on("console", lambda message: blocked.append(message.text) if "Security Policy" in message.text else None)
    with served(home, auth=home / "users") as made:
        page.goto(made.address)
        name, password = page.locator("input, textarea").nth(0), page.locator("input[type=password]")
        expect(password).to_be_visible()
        expect(page.get_by_label("A box")).to_have_count(0)
        name.fill(LOGIN[0])
        password.fill("wrong password")
        page.get_by_role("button", name="Login").click()
        expect(page.get_by_text("Incorrect", exact=False)).to_be_visible()
        name.fill(LOGIN[0])  # Gradio empties both
        password.fill(LOGIN[1])
        page.get_by_role("button", name="Login").click()
        box = page.get_by_label("A box")
        box.fill("asked and")
        box.press("Enter")
        expect(box).to_have_value("asked and answered")
        assert blocked == []
        page.context.close()


def test_a_page_of_another_origin_cannot_ask(page: Page, tmp_path: Path) -> None:
    home = archive(tmp_path / "home")
    with served(home) as asked, served(home) as foreign:
        page.goto(foreign.address)
        page.context.route(
            "**/gradio_api/foreign", lambda route: route.fulfill(body="<p>here", content_type="text/html")
        )
        page.goto(f"{foreign.address}/gradio_api/foreign")  # without our Content-Security-Policy
        done = page.evaluate(
            """async address => {
                const body = JSON.stringify({question: "Qui paie les travaux du pont ?"});
                const plain = {method: "POST", mode: "no-cors", headers: {"Content-Type": "text/plain"}, body};
                await fetch(address + "/gradio_api/call/v2/ask", plain).catch(() => null);
                const asked = {method: "POST", headers: {"Content-Type": "application/json"}, body};
                return fetch(address + "/gradio_api/call/v2/ask", asked).then(made => made.status, error => 0);
            }""",
            asked.address,
        )
        assert done in {0, 403}
        assert asked.model.prompts == []
        page.context.close()
