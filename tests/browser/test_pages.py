"""What must hold on every page: on a phone, in the dark, by keyboard, for a screen reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.operators_desk import OperatorsDesk

PAGES = (
    "/admin/",
    "/admin/campaigns/campaign/",
    "/admin/campaigns/campaign/add/",
    "/admin/mail/template/",
    "/admin/mail/mailing/",
    "/admin/contacts/contact/",
    "/admin/contacts/contact/1/change/",
    "/admin/contacts/topic/",
    "/admin/contacts/suppression/",
    "/admin/contacts/fileupload/",
    "/admin/queues/queuestanding/",
    "/admin/queues/deadletter/",
    "/admin/queues/alert/",
    "/admin/brands/auditentry/",
    "/admin/brands/apikey/",
    "/admin/station/webhookendpoint/",
    "/admin/newsletter/joiningrules/",
    "/admin/newsletter/contactsubmission/",
    "/admin/newsletter/tier/",
    "/admin/newsletter/scorerule/",
    "/admin/newsletter/segmentwish/",
    "/admin/newsletter/segmentpass/",
    "/admin/newsletter/managedsegment/",
    "/admin/newsletter/providertopic/",
    "/admin/newsletter/digest/",
    "/admin/newsletter/sequence/",
    "/admin/newsletter/enrolment/",
    "/admin/sms/subscriber/",
    "/admin/sms/textconfig/",
    "/admin/sms/textcampaign/",
    "/admin/sms/textmessage/",
)
_DARK, _LIGHT = 0.3, 0.8
pytestmark = pytest.mark.timeout(600)


def named(path: str) -> str:
    return path.strip("/").replace("/", "-")


def test_every_page_fits_a_phone_and_names_its_fields(
    open_desk: Callable[..., OperatorsDesk],
) -> None:
    desk = open_desk("anna", width=390)

    for path in PAGES:
        answer = desk.page.goto(path)
        desk.picture(f"phone-{named(path)}")

        assert answer is not None
        assert answer.status == 200, path
        assert desk.pixels_too_wide() <= 0, path
        assert desk.nameless_fields() == [], path


def test_every_page_is_dark_in_the_dark(open_desk: Callable[..., OperatorsDesk]) -> None:
    dark, light = open_desk("anna", dark=True), open_desk("anna")

    for path in PAGES:
        dark.page.goto(path)
        light.page.goto(path)
        dark.picture(f"dark-{named(path)}")

        assert dark.light_of_ground() < _DARK, path
        assert light.light_of_ground() > _LIGHT, path


def test_a_draft_is_made_by_keyboard_alone(open_desk: Callable[..., OperatorsDesk]) -> None:
    desk = open_desk("anna")
    desk.page.goto("/admin/campaigns/campaign/add/")
    name = desk.page.get_by_label("Name")
    for _ in range(60):
        if name.evaluate("one => one === document.activeElement"):
            break
        desk.page.keyboard.press("Tab")

    expect(name).to_be_focused()
    desk.page.keyboard.type("Made by keyboard")
    desk.page.keyboard.press("Enter")

    desk.page.wait_for_url("**/content/")
