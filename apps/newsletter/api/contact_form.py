"""The contact form."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from apps.brands.api.errors import RateLimitError
from apps.brands.api.fields import ObjectName, StrictSerializer
from apps.brands.models import Scope
from apps.contacts.addresses import RAW_LIMIT
from apps.contacts.errors import InvalidAddressError
from apps.newsletter import contact_form
from apps.newsletter.api.public import PublicViewSet, brand_field
from apps.newsletter.contact_form import Letter
from apps.newsletter.models.joining import NAME_LIMIT, SUBJECT_LIMIT
from apps.newsletter.problems import CaptchaRefusedError, TooManySubmissionsError

if TYPE_CHECKING:
    from rest_framework.request import Request

MESSAGE_LIMIT = 10_000
CAPTCHA_TOKEN_LIMIT = 2048  # as Turnstile promises


class ContactFormSerializer(StrictSerializer):
    brand = brand_field()
    name = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=NAME_LIMIT
    )
    email = serializers.CharField(max_length=RAW_LIMIT, help_text="Where the answer goes.")
    subject = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=SUBJECT_LIMIT
    )
    message = serializers.CharField(max_length=MESSAGE_LIMIT)
    captcha_token = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=CAPTCHA_TOKEN_LIMIT,
        help_text="Of Turnstile; needed where the brand's joining rules have a captcha.",
    )


class SubmissionSerializer(StrictSerializer):
    object = ObjectName("submission")
    status = serializers.ChoiceField(choices=["received"], read_only=True)


class ContactFormView(PublicViewSet):
    scopes: ClassVar = {"create": Scope.MAIL_SEND}
    asks_provider = frozenset({"create"})
    problems: ClassVar = {
        InvalidAddressError: lambda error: ValidationError({"email": [str(error)]}),
        CaptchaRefusedError: lambda error: ValidationError({"captcha_token": [str(error)]}),
        TooManySubmissionsError: lambda error: RateLimitError(error.wait_seconds),
    }

    @extend_schema(
        operation_id="email_contact",
        request=ContactFormSerializer,
        responses={202: SubmissionSerializer},
        summary="Write to the brand",
    )
    def create(self, _request: Request) -> Response:
        """Kept, then forwarded to the brand's address as a mail.

        A text whose captcha could not be checked, because its service is away, is kept for a
        person to look at.
        """
        data = self.read_body(ContactFormSerializer)
        brand = self.asked_brand(data["brand"])
        letter = Letter(
            name=" ".join(data["name"].split()),
            email=data["email"],
            subject=" ".join(data["subject"].split()),
            message=data["message"],
            ip=None if self.request.auth is not None else self.client_address,
        )
        contact_form.submit(brand=brand, letter=letter, captcha_token=data["captcha_token"])
        return Response(
            SubmissionSerializer({"status": "received"}).data, status=status.HTTP_202_ACCEPTED
        )
