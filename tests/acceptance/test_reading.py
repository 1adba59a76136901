"""A pathologist reads a slide; what the screen shows is compared with the pixels that were stored."""

import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

from lamelle.testing import pictures

from .conftest import Served

MAGNIFICATION = 0.01 / pictures.MM_PER_PIXEL
"""At which one pixel of the largest level is one of the screen."""


def stage(page: Page) -> Locator:
    return page.locator(".stage[data-settled]")


def opened(page: Page, series: str, view: str = "") -> Locator:
    """The slide once its tiles are there and its tools too, which come after."""
    page.goto(f"/slides/{series}{view}")
    expect(stage(page)).to_be_visible()
    expect(page.locator(".dock")).to_be_visible()
    return stage(page)


def view_of(page: Page, reached: Callable[[dict[str, float]], bool] = lambda view: "mag" in view) -> dict[str, float]:
    """What the address says once it says what is waited for: it follows a moment after the slide stands still."""
    page.wait_for_url(lambda url: reached(numbers(url)))
    return numbers(page.url)


def numbers(url: str) -> dict[str, float]:
    found = dict(pair.split("=") for pair in url.partition("?")[2].split("&") if pair)
    return {name: float(value) for name, value in found.items()}


def seen(page: Page, width: int = 240, height: int = 160, of: Locator | None = None) -> Any:
    """The pixels about the centre of the image area (rows, columns, 3)."""
    box = (of or stage(page)).bounding_box()
    assert box
    left, top = center_of(box)
    clip = {"x": left - width // 2, "y": top - height // 2, "width": width, "height": height}
    shot = page.screenshot(clip=clip)  # type: ignore[arg-type]
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)


def center_of(box: Any) -> tuple[int, int]:
    return round(box["x"] + box["width"] / 2), round(box["y"] + box["height"] / 2)


def wanted(x: int, y: int, width: int = 240, height: int = 160, plane: int = 0) -> Any:
    full = pictures.pattern(2000, 1300, plane).astype(int)
    return full[y - height // 2 : y + height // 2, x - width // 2 : x + width // 2]


def distance(one: Any, other: Any) -> float:
    """Mean difference of the 90 % of pixels that are nearest: edges between colours may lie half a pixel off."""
    differences = np.sort(np.abs(one - other).mean(axis=-1).ravel())
    return float(differences[: int(0.9 * len(differences))].mean())


def test_a_shared_view_shows_the_stored_pixels(page: Page, served: Served) -> None:
    opened(page, served.slide, f"?x=960&y=640&mag={MAGNIFICATION}")
    assert distance(seen(page), wanted(960, 640)) < 3
    assert distance(seen(page), wanted(960 + 128, 640)) > 10
    expect(page.get_by_role("group", name="Grossissement").locator("output")).to_have_text("20×")


def test_a_slide_is_drawn_before_its_viewer_is_loaded(page: Page, served: Served) -> None:
    """What the sketch shows is what stays: nothing moves when the viewer takes over."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(re.compile("/assets/scene-"), hold)
    page.goto(f"/slides/{served.slide}?x=960&y=640&mag={MAGNIFICATION}", wait_until="commit")
    page.wait_for_function("() => performance.getEntriesByName('lamelle-first-view').length")
    expect(page.locator(".sketch")).to_be_visible()
    sketch = seen(page, of=page.locator(".sketch"))
    assert distance(sketch, wanted(960, 640)) < 3
    for route in held:
        route.continue_()
    expect(stage(page)).to_be_visible()
    expect(page.get_by_role("group", name="Grossissement").locator("output")).to_have_text("20×")
    expect(page.locator(".sketch")).to_have_count(0)
    assert distance(seen(page), sketch) < 1


def test_the_whole_slide_is_shown_first_with_its_scale(page: Page, served: Served) -> None:
    opened(page, served.slide)
    view = view_of(page)
    assert abs(view["x"] - 1000) < 3 and abs(view["y"] - 650) < 3
    expect(page.get_by_role("img", name=re.compile(r"Échelle : (100|200) µm"))).to_be_visible()
    expect(page.get_by_role("img", name="Étiquette")).to_be_visible()
    expect(page.locator(".topbar")).to_contain_text("Martin Zoé")
    expect(page.locator(".topbar")).to_contain_text("26B0001")


def test_zoom_pan_and_rotation_by_keyboard(page: Page, served: Served) -> None:
    opened(page, served.slide).focus()
    view_of(page)
    page.keyboard.press("4")
    at_ten = view_of(page, lambda view: abs(view["mag"] - 10) < 0.05)
    page.keyboard.press("ArrowRight")
    view_of(page, lambda view: view["x"] - at_ten["x"] > 100)
    page.keyboard.press("r")
    view_of(page, lambda view: view.get("rotation") == 90)
    page.keyboard.press("0")
    view_of(page, lambda view: "rotation" not in view and abs(view["x"] - 1000) < 3)


def test_a_rotated_view_shows_rotated_pixels(page: Page, served: Served) -> None:
    opened(page, served.slide, f"?x=960&y=640&mag={MAGNIFICATION}&rotation=90")
    assert distance(seen(page, 160, 160), np.rot90(wanted(960, 640, 160, 160), -1)) < 3


def test_zoom_and_pan_by_mouse(page: Page, served: Served) -> None:
    box = opened(page, served.slide).bounding_box()
    assert box
    before = view_of(page)
    left, top = center_of(box)
    page.mouse.move(left, top)
    page.mouse.wheel(0, -300)
    zoomed = view_of(page, lambda view: view["mag"] > before["mag"] * 1.1)
    page.mouse.down()
    page.mouse.move(left - 150, top, steps=5)
    page.mouse.up()
    view_of(page, lambda view: view["x"] > zoomed["x"] + 50)
    expect(page.locator(".position")).to_contain_text("mm")


def test_the_fine_focus_shows_another_plane(page: Page, served: Served) -> None:
    opened(page, served.smear, f"?x=576&y=448&mag={MAGNIFICATION}&z=0")
    assert distance(seen(page), wanted(576, 448)) < 3
    page.keyboard.press("PageUp")
    expect(page.get_by_text("Plan 2 sur 3, 3 µm")).to_be_visible()
    expect(stage(page)).to_have_attribute("data-settled", re.compile("^0/1/"))
    assert distance(seen(page), wanted(576, 448, plane=1)) < 3
    view_of(page, lambda view: view.get("z") is None)
    page.keyboard.press("PageUp")
    view_of(page, lambda view: view.get("z") == 2)


def test_from_slide_to_slide_and_back_to_the_case(page: Page, served: Served) -> None:
    opened(page, served.slide)
    expect(page.locator(".strip-item")).to_have_count(2)  # the neighbours are known once the case is
    page.keyboard.press("n")
    expect(page).to_have_url(re.compile(served.second))
    expect(stage(page)).to_be_visible()
    page.keyboard.press("p")
    expect(page).to_have_url(re.compile(served.slide))
    expect(stage(page)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(served.biopsy))
    expect(page.get_by_role("heading", level=1)).to_be_visible()  # nothing is broken off by leaving


def test_help_information_and_label_by_keyboard(page: Page, served: Served) -> None:
    opened(page, served.slide)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Raccourcis clavier")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("i")
    expect(page.get_by_role("region", name="Informations")).to_contain_text("0,5 µm/px")
    page.keyboard.press("l")
    expect(page.get_by_role("img", name="Étiquette")).to_have_count(0)


def test_every_tool_has_a_name(page: Page, served: Served) -> None:
    opened(page, served.smear)
    for button in page.get_by_role("button").all():
        assert button.get_attribute("aria-label") or button.inner_text()


def test_a_stack_scrolls_and_windows(page: Page, served: Served) -> None:
    page.goto(f"/stacks/{served.stack}")
    image = page.locator(".stack-image")
    expect(image).to_have_attribute("alt", "Image 3 / 5")
    page.mouse.move(600, 400)
    page.mouse.wheel(0, 100)
    expect(image).to_have_attribute("alt", "Image 4 / 5")
    page.get_by_role("button", name="Os").click()
    expect(image).to_have_attribute("src", re.compile(r"window=500,2000,linear"))
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 128
