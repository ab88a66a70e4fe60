"""Joining, confirming, choosing and leaving, for pages of the brand and for its programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from apps.brands.api.errors import ConflictError
from apps.brands.api.fields import ObjectName, StrictSerializer
from apps.brands.models import Scope
from apps.contacts import editing
from apps.contacts.addresses import RAW_LIMIT, normalise
from apps.contacts.api.serializers import MOST_TOPICS, TEXT_SHOWN_LIMIT
from apps.contacts.editing import Details
from apps.contacts.errors import InvalidAddressError, InvalidFieldError, UnknownContactError
from apps.contacts.models import ConsentSource, ContactStatus, Topic
from apps.contacts.models.contact import LOCALE_LIMIT, NAME_LIMIT, TIMEZONE_LIMIT
from apps.contacts.subscribing import Evidence
from apps.mail.links import InvalidLinkError, Purpose, read_token
from apps.newsletter import confirming, join_requests, leaving, preferences
from apps.newsletter.api.public import (
    NO_SUCH_LINK,
    LinkViewSet,
    PublicViewSet,
    UnknownLinkError,
    brand_field,
    token_field,
)
from apps.newsletter.confirming import Standing
from apps.newsletter.problems import NoSenderError
from apps.queues.correlation import correlation_id

if TYPE_CHECKING:
    from rest_framework.request import Request

    from apps.brands.models import Brand

DETAIL_LIMIT = 200
TOKEN = OpenApiParameter("token", str, required=True, description="The link's token.")


class SubscribeSerializer(StrictSerializer):
    brand = brand_field()
    email = serializers.CharField(max_length=RAW_LIMIT)
    topics = serializers.ListField(
        child=serializers.SlugField(max_length=60),
        required=False,
        default=list,
        max_length=MOST_TOPICS,
        help_text="Slugs of topics. Without any, those that the brand's joining rules name.",
    )
    first_name = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=NAME_LIMIT
    )
    last_name = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=NAME_LIMIT
    )
    locale = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=LOCALE_LIMIT
    )
    timezone = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=TIMEZONE_LIMIT
    )
    text_shown = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=TEXT_SHOWN_LIMIT,
        help_text="What the person saw when they agreed; kept as evidence.",
    )
    page = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=DETAIL_LIMIT,
        help_text="Where the form stood; kept as evidence.",
    )
    ip = serializers.IPAddressField(
        required=False,
        allow_null=True,
        default=None,
        help_text="The person's address, where a program asks for them; with an API key only.",
    )


class SubscriptionSerializer(StrictSerializer):
    """The same for every address, known or not."""

    object = ObjectName("subscription")
    status = serializers.ChoiceField(choices=["accepted"], read_only=True)


class TokenSerializer(StrictSerializer):
    token = token_field()


class ConfirmationSerializer(StrictSerializer):
    object = ObjectName("confirmation")
    status = serializers.ChoiceField(
        choices=[one.value for one in Standing],
        read_only=True,
        help_text="`left`: confirmed once, and unsubscribed since. `expired`: have them sign up"
        " again.",
    )


class SubscribeView(PublicViewSet):
    scopes: ClassVar = {"create": Scope.CONTACTS_WRITE}
    problems: ClassVar = {
        InvalidAddressError: lambda error: ValidationError({"email": [str(error)]}),
        InvalidFieldError: lambda error: ValidationError({error.field: [str(error)]}),
    }

    @extend_schema(
        operation_id="email_subscribe",
        request=SubscribeSerializer,
        responses={202: SubscriptionSerializer},
        summary="Subscribe somebody",
    )
    def create(self, _request: Request) -> Response:
        """Takes the wish down; it is worked off within a second, and a mail follows.

        With double opt-in (joining rules of the brand) it holds once the person has confirmed it.
        The answer is the same for every address: known, unknown, suppressed, erased, unsubscribed.
        """
        data = self.read_body(SubscribeSerializer)
        brand = self.asked_brand(data["brand"])
        found = normalise(data["email"])
        names = ("first_name", "last_name", "locale", "timezone")
        join_requests.take_down(
            brand=brand,
            email=found.email,
            topic_ids=self._topic_ids(brand, data["topics"]),
            details=editing.checked(Details(**{name: data[name] for name in names})),
            evidence=self._evidence(data),
        )
        return Response(
            SubscriptionSerializer({"status": "accepted"}).data, status=status.HTTP_202_ACCEPTED
        )

    def _topic_ids(self, brand: Brand, slugs: list[str]) -> list[int]:
        """Pages see public topics only."""
        wanted = set(slugs)
        if not wanted:
            return []
        topics = Topic.objects.of_brand(brand.pk).filter(slug__in=wanted)
        if self.request.auth is None:
            topics = topics.filter(is_public=True)
        found = dict(topics.values_list("slug", "pk"))
        if missing := sorted(wanted - set(found)):
            raise ValidationError({"topics": [f"The brand has no topic {', '.join(missing)}."]})
        return sorted(found.values())

    def _evidence(self, data: dict[str, Any]) -> Evidence:
        by_key = self.request.auth is not None
        if data["ip"] and not by_key:
            raise ValidationError({"ip": ["Only programs with an API key may tell it."]})
        return Evidence(
            source=ConsentSource.API if by_key else ConsentSource.FORM,
            occurred_at=timezone.now(),
            detail=(data["page"] or self.actor) if by_key else data["page"],
            text_shown=data["text_shown"],
            ip=data["ip"] if by_key else self.client_address,
            correlation_id=correlation_id(),
        )


class ConfirmView(LinkViewSet):
    problems: ClassVar = {**LinkViewSet.problems, NoSenderError: ConflictError}
    parameters: ClassVar = {"retrieve": ("token",)}

    @extend_schema(
        operation_id="email_confirm_look",
        parameters=[TOKEN],
        responses={200: ConfirmationSerializer, 404: NO_SUCH_LINK},
        summary="Look at a confirmation link",
    )
    def retrieve(self, _request: Request) -> Response:
        """How the wish stands. Changes nothing: scanners of mail follow links."""
        return self._answer_with(confirming.look(self.given_token()))

    @extend_schema(
        operation_id="email_confirm",
        request=TokenSerializer,
        responses={200: ConfirmationSerializer, 404: NO_SUCH_LINK},
        summary="Confirm a subscription",
    )
    def create(self, _request: Request) -> Response:
        """Done once, and the same answer when asked again."""
        token = self.read_body(TokenSerializer)["token"]
        return self._answer_with(confirming.confirm(token, ip=self.client_address))

    def _answer_with(self, found: confirming.Confirmation) -> Response:
        return Response(ConfirmationSerializer({"status": found.standing.value}).data)


class PreferredTopicSerializer(StrictSerializer):
    slug = serializers.CharField(read_only=True)
    name = serializers.CharField(read_only=True)
    description = serializers.CharField(read_only=True)
    is_chosen = serializers.BooleanField(read_only=True)


class PreferencesSerializer(StrictSerializer):
    object = ObjectName("preferences")
    brand = serializers.CharField(read_only=True)
    status = serializers.ChoiceField(choices=ContactStatus.choices, read_only=True)
    paused_until = serializers.DateTimeField(read_only=True, allow_null=True)
    topics = PreferredTopicSerializer(many=True, read_only=True)


class PreferencesChangeSerializer(StrictSerializer):
    """What is left out stays as it is."""

    token = token_field()
    topics = serializers.DictField(
        child=serializers.BooleanField(),
        required=False,
        default=dict,
        help_text="By slug: whether the person wants it.",
    )
    paused = serializers.BooleanField(
        required=False,
        allow_null=True,
        default=None,
        help_text="true: no newsletters for 30 days (an installation may set another number);"
        " false: again from now on.",
    )
    subscribed = serializers.BooleanField(
        required=False,
        allow_null=True,
        default=None,
        help_text="false: no newsletters any more; true: subscribed again.",
    )


class PreferencesView(LinkViewSet):
    problems: ClassVar = {
        **LinkViewSet.problems,
        UnknownContactError: lambda _: UnknownLinkError(),
        preferences.UnknownChoiceError: lambda error: ValidationError({"topics": [str(error)]}),
    }
    parameters: ClassVar = {"retrieve": ("token",)}

    @extend_schema(
        operation_id="email_preferences_look",
        parameters=[TOKEN],
        responses={200: PreferencesSerializer, 404: NO_SUCH_LINK},
        summary="What somebody has chosen",
    )
    def retrieve(self, _request: Request) -> Response:
        """By the token of the link `preferences_url` of a mail. Tells no address and no name."""
        return self._answer_with(preferences.look(self.given_token()))

    @extend_schema(
        operation_id="email_preferences",
        request=PreferencesChangeSerializer,
        responses={200: PreferencesSerializer, 404: NO_SUCH_LINK},
        summary="Choose topics, pause, leave or come back",
    )
    def create(self, _request: Request) -> Response:
        """All of it, or with an error nothing."""
        data = self.read_body(PreferencesChangeSerializer)
        found = preferences.look(data["token"])
        wish = preferences.Wish(
            topics=data["topics"], paused=data["paused"], subscribed=data["subscribed"]
        )
        preferences.change(found, wish, ip=self.client_address)
        return self._answer_with(preferences.look(data["token"]))

    def _answer_with(self, found: preferences.Preferences) -> Response:
        return Response(PreferencesSerializer(found).data)


class UnsubscribedSerializer(StrictSerializer):
    object = ObjectName("unsubscription")
    status = serializers.ChoiceField(choices=["unsubscribed"], read_only=True)


class UnsubscribeView(LinkViewSet):
    @extend_schema(
        operation_id="email_unsubscribe",
        request=TokenSerializer,
        responses={200: UnsubscribedSerializer, 404: NO_SUCH_LINK},
        summary="Leave by the link of a mail",
    )
    def create(self, _request: Request) -> Response:
        """By the token of an unsubscribe link or of a preferences link.

        Mail clients post their one click to the address in the mail itself.
        """
        token = self.read_body(TokenSerializer)["token"]
        try:
            target = read_token(token)
        except InvalidLinkError:
            target = read_token(token, Purpose.PREFERENCES)
        leaving.leave(target, source=ConsentSource.LINK)
        return Response(UnsubscribedSerializer({"status": "unsubscribed"}).data)
