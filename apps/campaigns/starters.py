"""The texts that a new campaign begins with: short, and with all that the law asks for."""

from __future__ import annotations

SUBJECT = "{{ campaign.name }}"
HTML = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
  body { margin: 0; background: #f4f4f5; color: #18181b; font: 16px/1.5 Arial, sans-serif; }
  .mail { max-width: 600px; margin: 0 auto; padding: 24px; background: #ffffff; }
  .foot { font-size: 12px; color: #52525b; }
</style>
</head>
<body>
<div class="mail">
  <h1>Hello {{ contact.first_name | default: "there" }}</h1>
  <p>Write here what you have to say.</p>
  <p class="foot">
    {{ brand.name }}, {{ brand.postal_address }}<br>
    <a href="{{ unsubscribe_url }}">Unsubscribe</a>
  </p>
</div>
</body>
</html>
"""
AUDIENCE = {"everyone": True}
