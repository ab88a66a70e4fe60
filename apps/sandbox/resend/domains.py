"""Sending domains: `/domains`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from apps.sandbox.resend.call import Call, json_answer
from apps.sandbox.resend.errors import (
    Answer,
    forbidden,
    invalid,
    invalid_uuid,
    missing_field,
    not_found,
)
from apps.sandbox.resend.pages import is_uuid, page, rest_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STATUSES = ("not_started", "pending", "verified", "failed", "temporary_failure")
VERIFIED = "verified"
_NAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")


@dataclass(slots=True)
class Domain:
    id: str
    name: str
    status: str
    created_at: float

    def summary(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "created_at": rest_time(self.created_at),
            "region": "us-east-1",
        }

    def details(self) -> dict[str, Any]:
        return {"object": "domain", **self.summary(), "records": self._records()}

    def _records(self) -> list[dict[str, Any]]:
        common = {"ttl": "Auto", "status": self.status}
        spf = {"record": "SPF", "name": "send", "type": "TXT", "value": "v=spf1 ~all"}
        dkim = {"record": "DKIM", "name": "resend._domainkey", "type": "TXT", "value": "p=sandbox"}
        return [{**spf, **common}, {**dkim, **common}]


class Domains:
    """The domains of one account, by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, Domain] = {}

    def add(self, name: str, *, status: str, created_at: float) -> Domain:
        domain = Domain(str(uuid4()), name, status, created_at)
        self._by_name[name] = domain
        return domain

    def put(self, name: str, *, status: str, created_at: float) -> None:
        """Set the status of a domain, adding it where it is new."""
        if domain := self._by_name.get(name):
            domain.status = status
        else:
            self.add(name, status=status, created_at=created_at)

    def named(self, name: str) -> Domain | None:
        return self._by_name.get(name)

    def find(self, domain_id: str) -> Domain:
        if not is_uuid(domain_id):
            raise invalid_uuid()
        for domain in self._by_name.values():
            if domain.id == domain_id:
                return domain
        raise not_found("Domain")

    def is_verified(self, name: str) -> bool:
        domain = self._by_name.get(name)
        return domain is not None and domain.status == VERIFIED

    def statuses(self) -> dict[str, str]:
        return {domain.name: domain.status for domain in self._by_name.values()}

    def newest_first(self) -> Iterable[Domain]:
        return reversed(self._by_name.values())


def list_domains(call: Call) -> Answer:
    domains = list(call.account.domains.newest_first())
    return page(call.request.query, domains, present=Domain.summary, default_limit=None)


def create_domain(call: Call) -> Answer:
    body = call.json_object()
    if "name" not in body:
        raise missing_field("name")
    name = body["name"].lower() if isinstance(body["name"], str) else ""
    if not _NAME.fullmatch(name):
        raise invalid("Invalid `name` field. It needs to be a domain like example.com")
    if call.account.domains.named(name):
        raise forbidden(f"The {name} domain has been registered already.")
    domain = call.account.domains.add(name, status="not_started", created_at=call.epoch)
    return json_answer(domain.details(), status=201)


def get_domain(call: Call) -> Answer:
    return json_answer(call.account.domains.find(call.parameter).details())


def verify_domain(call: Call) -> Answer:
    """Start a verification; the domain is verified `domain_verify_seconds` later."""
    domain = call.account.domains.find(call.parameter)
    if domain.status != VERIFIED:
        domain.status = "pending"
        call.later(call.settings.domain_verify_seconds, _verifying(domain))
    return json_answer({"object": "domain", "id": domain.id})


def _verifying(domain: Domain) -> Callable[[], None]:
    def verify() -> None:
        if domain.status == "pending":  # a status set meanwhile by hand stands
            domain.status = VERIFIED

    return verify
