"""Imports through the web: upload, columns, preview, progress, result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.http import FileResponse, Http404, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_POST

from apps.brands import rights
from apps.brands.admin.pages import PagesAdmin
from apps.brands.admin.scoped import BrandFilter
from apps.brands.models import Brand
from apps.brands.rights import Right
from apps.contacts.admin.figures import figures_of, percent
from apps.contacts.admin.pages import actor
from apps.contacts.admin.upload_forms import MappingForm, UploadForm
from apps.contacts.errors import ContactsError, FileRefusedError, UploadStateError
from apps.contacts.importing.dialect import DELIMITERS
from apps.contacts.importing.reading import Phase
from apps.contacts.models import FileUpload, Topic
from apps.contacts.uploads import deciding, storing
from apps.contacts.uploads.looking import Look

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.urls import URLPattern
    from django.utils.safestring import SafeString

# Form fields and boundaries around the file itself.
FORM_BYTES = 64 * 1024
_TONES = {
    FileUpload.State.FINISHED: "good",
    FileUpload.State.FAILED: "bad",
    FileUpload.State.PREVIEWED: "warn",
}


@admin.register(FileUpload)
class FileUploadAdmin(PagesAdmin):
    list_display = ("file_name", "brand", "state_shown", "outcome", "uploaded_by", "created_at")
    list_filter = (BrandFilter, "state")
    list_select_related = ("brand",)
    list_before_template = "admin/contacts/suppression/list_tools.html"
    ordering = ("-pk",)
    sortable_by = ()
    actions = None

    @admin.display(description="state")
    def state_shown(self, upload: FileUpload) -> SafeString:
        state = FileUpload.State(upload.state)
        return format_html(
            '<span class="people-label {}">{}</span>', _TONES.get(state, ""), state.label
        )

    @admin.display(description="outcome")
    def outcome(self, upload: FileUpload) -> str:
        found = figures_of(upload.results)
        return found.in_short() if found else ""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request, obj)  # the page itself tells what may be done

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False  # its files go by themselves; what it did stays to be known

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        pages = {
            "mapping": wrap(self.mapping),
            "start": wrap(require_POST(self.start)),
            "cancel": wrap(require_POST(self.cancel)),
            "progress": wrap(require_GET(self.progress)),
            "rejects": wrap(require_GET(self.rejects)),
        }
        return [
            # Not exempt: `_upload` is protected again, once the size is known to be fit.
            path("add/", wrap(csrf_exempt(self.upload)), name=self.name("add")),
            *(
                path(f"<int:object_id>/{name}/", view, name=self.name(name))
                for name, view in pages.items()
            ),
            *super().get_urls(),
        ]

    def upload(self, request: HttpRequest) -> HttpResponse:
        """Looks at the size before anything reads the body, even for the form's token."""
        size = int(request.headers.get("content-length") or 0)
        try:
            storing.refuse_size(size - FORM_BYTES)
        except FileRefusedError as error:
            return HttpResponse(str(error), status=413, content_type="text/plain; charset=utf-8")
        protected: Any = csrf_protect(self._upload)
        response: HttpResponse = protected(request)
        return response

    def _upload(self, request: HttpRequest) -> HttpResponse:
        allowed = rights.brand_ids(request.user, Right.EDIT)
        if not allowed:
            raise rights.RightMissingError("You need the right to edit contacts of a brand.")
        brands = list(Brand.objects.filter(pk__in=allowed).order_by("name"))
        form = UploadForm(request.POST or None, request.FILES or None, brands=brands)
        if request.method == "POST" and form.is_valid():
            try:
                upload = deciding.receive(
                    brand_id=int(form.cleaned_data["brand"]),
                    file_name=form.cleaned_data["file"].name,
                    chunks=form.cleaned_data["file"].chunks(),
                    actor=actor(request),
                )
            except FileRefusedError as error:
                form.add_error("file", str(error))
            else:
                return self._to(upload.pk, "mapping")
        return self.page(request, "upload.html", title="Import a file", form=form)

    def mapping(self, request: HttpRequest, object_id: int) -> HttpResponse:
        upload = self._editable(request, object_id)
        if upload.state not in deciding.OPEN:
            return self._to(upload.pk, "change")
        look = Look.from_json(upload.look)
        topics = list(Topic.objects.of_brand(upload.brand_id).order_by("name"))
        if request.method != "POST":
            form = MappingForm.of(upload, look, topics)
            return self._mapping_page(request, upload, look, form)
        form = MappingForm(request.POST, look=look, topics=topics)
        valid = form.is_valid()
        try:
            if form.reading() != (look.chosen_encoding, look.chosen_delimiter):
                # Under another reading there may be other columns: they are asked for anew.
                encoding, delimiter = form.reading()
                deciding.look_again(upload_id=upload.pk, encoding=encoding, delimiter=delimiter)
                return self._to(upload.pk, "mapping")
            if valid:
                deciding.start_preview(upload_id=upload.pk, options=form.options())
                return self._to(upload.pk, "change")
        except FileRefusedError as error:
            form.refuse(error)
        except UploadStateError as error:
            self.message_user(request, str(error), messages.ERROR)
            return self._to(upload.pk, "change")
        return self._mapping_page(request, upload, look, form)

    def _mapping_page(
        self, request: HttpRequest, upload: FileUpload, look: Look, form: MappingForm
    ) -> HttpResponse:
        return self.page(
            request,
            "mapping.html",
            title=f"Columns of {upload.file_name}",
            row=upload,
            upload=upload,
            look=look,
            delimiter=DELIMITERS[look.delimiter],
            form=form,
        )

    def change_view(
        self, request: HttpRequest, object_id: str, _form_url: str = "", _extra_context: Any = None
    ) -> HttpResponse:
        upload: FileUpload = self.find(request, object_id)
        may_edit = self.allows(request, Right.EDIT, upload)
        if upload.state == FileUpload.State.MAPPING and may_edit:
            return self._to(upload.pk, "mapping")
        return self.page(
            request,
            "upload_page.html",
            title=f"Import of {upload.file_name}",
            row=upload,
            upload=upload,
            figures=figures_of(upload.results or upload.preview),
            progress=self._progress(upload),
            topics=", ".join(upload.options.get("topics", [])),
            has_rejects=self._rejects_path(upload).exists(),
            may_edit=may_edit,
            may_map=may_edit and upload.state in deciding.OPEN and bool(upload.look),
            may_cancel=may_edit and upload.state not in FileUpload.OVER,
            may_export=self.allows(request, Right.EXPORT, upload),
        )

    def start(self, request: HttpRequest, object_id: int) -> HttpResponse:
        upload = self._editable(request, object_id)
        try:
            deciding.start_import(upload_id=upload.pk)
        except ContactsError as error:
            self.message_user(request, str(error), messages.ERROR)
        return self._to(upload.pk, "change")

    def cancel(self, request: HttpRequest, object_id: int) -> HttpResponse:
        upload = self._editable(request, object_id)
        try:
            ended = deciding.cancel(upload_id=upload.pk)
        except ContactsError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(
                request,
                "Cancelled, and the file deleted."
                if ended
                else "It stops at the next step; what is being merged already is merged.",
            )
        return self._to(upload.pk, "change")

    def progress(self, request: HttpRequest, object_id: int) -> JsonResponse:
        """Asked every two seconds by the page: one row read."""
        return JsonResponse(self._progress(self.find(request, str(object_id))))

    def rejects(self, request: HttpRequest, object_id: int) -> FileResponse:
        upload: FileUpload = self.find(request, str(object_id))
        self.require(request, Right.EXPORT, upload)
        found = self._rejects_path(upload)
        try:
            opened = found.open("rb")
        except FileNotFoundError:
            raise Http404("No row was rejected, or the file was deleted with age.") from None
        stem = upload.file_name.rpartition(".")[0] or upload.file_name
        return FileResponse(opened, as_attachment=True, filename=f"{stem}.rejected.csv")

    def _progress(self, upload: FileUpload) -> dict[str, Any]:
        return {
            "state": upload.state,
            "phase": upload.phase or "waiting for a free worker",
            "percent": percent(upload),
            "rows": upload.rows_done,
            "cancelling": upload.cancel_asked_at is not None,
            "cancellable": upload.phase not in {Phase.MERGING, Phase.WRITING},
        }

    def _rejects_path(self, upload: FileUpload) -> Any:
        return storing.rejects_path(upload, is_preview=upload.results is None)

    def _editable(self, request: HttpRequest, object_id: int) -> FileUpload:
        upload: FileUpload = self.find(request, str(object_id))
        self.require(request, Right.EDIT, upload)
        return upload

    def _to(self, upload_id: int, page: str) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse(f"admin:{self.name(page)}", args=[upload_id]))
