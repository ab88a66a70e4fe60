"""Dry runs: started, watched, searched and downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.http import Http404, HttpResponseRedirect, JsonResponse, StreamingHttpResponse

from apps.brands.rights import Right
from apps.campaigns import dry_run_rows, dry_running
from apps.campaigns.admin.pages import CampaignAnswer, CampaignPage, page_url
from apps.campaigns.errors import CampaignError
from apps.campaigns.explaining import explain
from apps.campaigns.fingerprints import fingerprint
from apps.campaigns.models import DryRun
from apps.contacts.errors import ContactsError
from apps.mail.admin.live import actor_in_words

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase
    from django.urls import URLPattern

    from apps.campaigns.admin.campaigns import CampaignAdmin

WOULD_GET = "would_get"  # as the filter's value: "" stands for everybody there


def urls(desk: CampaignAdmin) -> list[URLPattern]:
    return [
        desk.page("dry-run/", DryRunPage, "dry_run"),
        desk.page("dry-run/start/", StartDryRun, "dry_run_start"),
        desk.page("dry-run/<int:run_id>/cancel/", CancelDryRun, "dry_run_cancel"),
        desk.page("dry-run/<int:run_id>/progress/", DryRunProgress, "dry_run_progress"),
        desk.page("dry-run/<int:run_id>/rows.csv", DryRunCsv, "dry_run_csv"),
    ]


class DryRunPage(CampaignPage):
    """The latest run: its counts, its rows, and one address explained."""

    step = "dry_run"
    template_name = "admin/campaigns/dry_run.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        run = self.campaign.dry_runs.select_related("campaign").order_by("-pk").first()
        context: dict[str, Any] = {"run": run, **self._explained(request)}
        if run is not None:
            context |= {
                "outdated": run.fingerprint != fingerprint(self.campaign),
                "percent": percent(run),
                "started_by": actor_in_words(run.started_by),
                "reasons": [
                    (reason, dry_run_rows.in_words(reason), number)
                    for reason, number in run.skipped.items()
                ],
            }
            if run.state == DryRun.State.COMPLETED:
                context |= self._rows(request, run)
        return self.show(**context)

    def _rows(self, request: HttpRequest, run: DryRun) -> dict[str, Any]:
        prefix, reason = request.GET.get("q", "")[:254], request.GET.get("reason", "")
        after = request.GET.get("after", "")[:254]
        try:
            found = dry_run_rows.page(run, prefix=prefix, reason=filtered(reason), after=after)
        except CampaignError as error:
            return {"rows_error": str(error)}
        query = {"q": prefix, "reason": reason}
        return {
            "found": found,
            "q": prefix,
            "reason": reason,
            "after": after,
            "csv_query": urlencode(query),
            "next_query": urlencode({**query, "after": found.next_after}),
            "first_query": urlencode(query),
        }

    def _explained(self, request: HttpRequest) -> dict[str, Any]:
        address = request.GET.get("address", "")[:1000].strip()
        if not address:
            return {}
        try:
            return {"address": address, "explanation": explain(self.campaign, address=address)}
        except (CampaignError, ContactsError) as error:
            return {"address": address, "explain_error": str(error)}


def filtered(reason: str) -> str | None:
    """The filter's value as `dry_run_rows` takes it."""
    if not reason:
        return None
    return dry_run_rows.WOULD_GET if reason == WOULD_GET else reason


def percent(run: DryRun) -> int:
    """How much of the brand's contacts lies behind the run."""
    if run.state == DryRun.State.COMPLETED:
        return 100
    return 100 * (run.cursor - run.since) // max(1, run.until - run.since)


class StartDryRun(CampaignPage):
    step = "dry_run"
    http_method_names = ["post"]

    def post(self, _request: HttpRequest) -> HttpResponse:
        dry_running.start_dry_run(campaign_id=self.campaign.pk, actor=self.actor)
        return self.go_to("dry_run")


class OfRun(CampaignPage):
    """A page of one run of the campaign."""

    step = "dry_run"

    def run(self, run_id: int) -> DryRun:
        found = self.campaign.dry_runs.select_related("campaign").filter(pk=run_id).first()
        if found is None:
            raise Http404(f"There is no dry run {run_id} (any more).")
        return found


class CancelDryRun(OfRun):
    http_method_names = ["post"]

    def post(self, _request: HttpRequest, run_id: int) -> HttpResponse:
        run = self.run(run_id)
        dry_running.cancel_dry_run(dry_run_id=run.pk, actor=self.actor)
        return self.go_to("dry_run", "The dry run is cancelled.")


class DryRunProgress(OfRun, CampaignAnswer):
    """For the page's script; one statement besides the campaign's own."""

    def get(self, _request: HttpRequest, run_id: int) -> HttpResponse:
        run = self.run(run_id)
        return JsonResponse(
            {"state": run.state, "looked_at": run.looked_at, "percent": percent(run)}
        )


class DryRunCsv(OfRun):
    """What the filter shows, as a file; the right EXPORT is asked for."""

    def get(self, request: HttpRequest, run_id: int) -> HttpResponseBase:
        self.desk.require(request, Right.EXPORT, self.campaign)
        run = self.run(run_id)
        if not dry_running.has_rows(run):
            return HttpResponseRedirect(page_url(self.campaign.pk, "dry_run"))
        lines = dry_run_rows.csv_lines(
            run,
            prefix=request.GET.get("q", "")[:254],
            reason=filtered(request.GET.get("reason", "")),
        )
        name = f"dry-run-{self.campaign.slug or self.campaign.pk}.csv"
        return StreamingHttpResponse(
            lines,
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )
