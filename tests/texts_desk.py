"""What a station's desk does for harnesses of texts; imported in the desk's process only."""

from __future__ import annotations

from django.core.management import call_command

from apps.brands.models import Brand, ProviderAccount
from apps.queues.enqueueing import publish
from apps.queues.names import TaskName
from apps.sms.listing import running, starting
from apps.sms.models import ListSyncRun, OptInList, TextCampaign, TextConfig, TextMessage


def migrate() -> None:
    call_command("migrate", verbosity=0, interactive=False)


def create_texts(*, user: str, api_id: str) -> dict[str, int]:
    """A brand with an account at Lime, a running campaign and a message; sending stays off."""
    brand = Brand.objects.create(slug="ships", name="The Ship Company")
    account = ProviderAccount.objects.create(
        kind=ProviderAccount.Kind.LIME, name="lime", username=user, api_key=api_id
    )
    TextConfig.objects.create(brand=brand, account=account, shortcode="71441")
    campaign = TextCampaign.objects.create(brand=brand, name="Spring", state="running")
    message = TextMessage.objects.create(
        campaign=campaign, brand=brand, body="Hello {{ subscriber.first_name }}, the ships are in."
    )
    return {
        "brand": brand.pk,
        "account": account.pk,
        "campaign": campaign.pk,
        "message": message.pk,
    }


def sync_list(*, account: int, list_id: str) -> None:
    """From beginning to end; RuntimeError where it is not in step afterwards."""
    opt_in_list, _ = OptInList.objects.get_or_create(
        brand=Brand.objects.get(slug="ships"), account_id=account, list_id=list_id
    )
    run = starting.start(opt_in_list_id=opt_in_list.pk, trigger=ListSyncRun.Trigger.COMMAND)
    done = running.advance_run(run_id=run.pk)
    if done is None or done.state != ListSyncRun.State.DONE:
        raise RuntimeError(f"the list was not synced: {done} {done and done.problem}")


def wake(*, account: int, copies: int) -> int:
    """Publishes wake-ups; how many the broker took."""
    return publish(
        TaskName.SEND_TEXTS,
        ids={"account_id": account},
        correlation="the-harness",
        copies=copies,
    )
