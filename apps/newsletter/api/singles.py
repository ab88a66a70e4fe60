"""Single mails for programs: welcome, transactional, and by the name of an action."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

import orjson
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from apps.brands.api.buckets import Bucket
from apps.brands.api.errors import ConflictError, IdempotencyKeyReusedError
from apps.brands.api.fields import ObjectName, StrictSerializer
from apps.brands.models import Brand, Scope
from apps.contacts.addresses import RAW_LIMIT
from apps.contacts.errors import ErasedAddressError, InvalidAddressError
from apps.mail.errors import DuplicateKeyError
from apps.mail.models import Message
from apps.newsletter import single_mails
from apps.newsletter.api.public import NewsletterViewSet
from apps.newsletter.problems import (
    MissingVariablesError,
    NoSenderError,
    UnfitTemplateError,
    UnknownActionError,
    UnknownRecipientError,
    UnknownTemplateError,
)

if TYPE_CHECKING:
    from rest_framework.request import Request

ACTION_HEADER = "X-Email-Action"
VARIABLES_BYTES = 64 * 1024
KEY_PATTERN = r"^[!-~]([ -~]{0,254}[!-~])?$"


class SingleMailSerializer(StrictSerializer):
    to = serializers.CharField(max_length=RAW_LIMIT, help_text="The address.")
    variables = serializers.DictField(
        child=serializers.JSONField(allow_null=True),
        required=False,
        default=dict,
        help_text="What the template prints as {{ variables.… }}; at most 64 KiB.",
    )
    idempotency_key = serializers.RegexField(
        KEY_PATTERN,
        required=False,
        allow_null=True,
        default=None,
        max_length=256,
        help_text="As the header Idempotency-Key, for those who cannot set one.",
    )

    def validate_variables(self, value: dict[str, Any]) -> dict[str, Any]:
        size = len(orjson.dumps(value, default=str))
        if size > VARIABLES_BYTES:
            raise ValidationError(f"{size:,} bytes, at most {VARIABLES_BYTES:,} are taken.")
        return value


class TransactionalSerializer(SingleMailSerializer):
    template = serializers.SlugField(max_length=60, help_text="The template's slug.")


class WelcomeSerializer(SingleMailSerializer):
    template = serializers.SlugField(
        max_length=60,
        required=False,
        default="",
        allow_blank=True,
        help_text="Without one, the welcome of the brand's joining rules.",
    )


class QueuedMailSerializer(StrictSerializer):
    object = ObjectName("email")
    id = serializers.IntegerField(read_only=True)
    status = serializers.ChoiceField(
        source="state",
        choices=Message.State.choices,
        read_only=True,
        help_text="`pending` until it is sent; with a known key, how the first one stands.",
    )


class SingleMailViewSet(NewsletterViewSet):
    """Written down and answered; a worker sends it within a second, ahead of all bulk."""

    scopes: ClassVar = {"create": Scope.MAIL_SEND}
    bucket = Bucket.TRANSACTIONAL
    queryset = Brand.objects.none()
    problems: ClassVar = {
        InvalidAddressError: lambda error: ValidationError({"to": [str(error)]}),
        UnknownRecipientError: lambda error: ValidationError({"to": [str(error)]}),
        UnknownTemplateError: lambda error: ValidationError({"template": [str(error)]}),
        UnknownActionError: lambda error: ValidationError({ACTION_HEADER: [str(error)]}),
        UnfitTemplateError: lambda error: ValidationError({"variables": [str(error)]}),
        MissingVariablesError: lambda error: ValidationError(
            {f"variables.{name}": ["The template prints it: give a value."] for name in error.names}
        ),
        ErasedAddressError: ConflictError,
        NoSenderError: ConflictError,
        DuplicateKeyError: lambda _: IdempotencyKeyReusedError(),
    }

    def idempotency_key(self) -> str | None:
        """The header's, or the body's."""
        return super().idempotency_key() or self._key_of_body()

    def _key_of_body(self) -> str | None:
        """None also for one that is no key: the serializer refuses it."""
        if self.request.method != "POST":
            return None
        body: Any = self.request.data
        given = body.get("idempotency_key")
        return given if isinstance(given, str) and re.fullmatch(KEY_PATTERN, given) else None

    def answer_with(self, message: Message) -> Response:
        return Response(QueuedMailSerializer(message).data, status=status.HTTP_202_ACCEPTED)


class TransactionalView(SingleMailViewSet):
    @extend_schema(
        operation_id="email_transactional",
        request=TransactionalSerializer,
        responses={202: QueuedMailSerializer},
        summary="Send a transactional mail",
    )
    def create(self, _request: Request) -> Response:
        """To any address. Whoever is new is kept as unsubscribed: commercial mail never goes there.

        It goes to people who have unsubscribed too, but never to addresses that bounce, are
        blocked or erased.
        """
        data = self.read_body(TransactionalSerializer)
        return self.answer_with(
            single_mails.send_transactional(
                brand=self.brand,
                to=data["to"],
                template=single_mails.template_of(self.brand, data["template"]),
                variables=data["variables"],
                key=self.idempotency_key(),
            )
        )


class WelcomeView(SingleMailViewSet):
    @extend_schema(
        operation_id="email_welcome",
        request=WelcomeSerializer,
        responses={202: QueuedMailSerializer},
        summary="Send a welcome",
    )
    def create(self, _request: Request) -> Response:
        """To a contact of the brand; who is not subscribed (any more) gets none."""
        data = self.read_body(WelcomeSerializer)
        return self.answer_with(
            single_mails.send_welcome(
                brand=self.brand,
                to=data["to"],
                slug=data["template"],
                variables=data["variables"],
                key=self.idempotency_key(),
            )
        )


class JobLifecycleView(SingleMailViewSet):
    @extend_schema(
        operation_id="email_job_lifecycle",
        request=SingleMailSerializer,
        responses={202: QueuedMailSerializer},
        parameters=[
            OpenApiParameter(
                ACTION_HEADER,
                str,
                OpenApiParameter.HEADER,
                required=True,
                description="One of the actions in the brand's joining rules, such as"
                " job-approved; it says which template goes out.",
            )
        ],
        summary="Send the mail of an action",
    )
    def create(self, request: Request) -> Response:
        """As a transactional mail, with the template that the action stands for."""
        action = request.headers.get(ACTION_HEADER, "").strip()
        data = self.read_body(SingleMailSerializer)
        return self.answer_with(
            single_mails.send_transactional(
                brand=self.brand,
                to=data["to"],
                template=single_mails.template_of_action(self.brand, action),
                variables=data["variables"],
                key=self.idempotency_key(),
                kind=f"action {action}",
            )
        )
