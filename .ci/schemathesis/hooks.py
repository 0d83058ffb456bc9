"""What the documents can only say in words, and a sale to meet among all the unknown ones.

Only what is good by the schema is touched, so what was made wrong on purpose stays wrong.
"""

import re

import schemathesis

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
IDENT = re.compile(r"[!-~]{1,64}\Z")
MOMENT = re.compile(r"([0-9]{4})-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)\Z")


def is_name(value):
    return isinstance(value, str) and NAME.match(value) is not None


def in_range(moment):
    """No moment before 1970, nor beyond what 64 bits of ns can say."""
    if isinstance(moment, str) and (parts := MOMENT.match(moment)):
        if not 1970 < int(parts[1]) < 2554:
            return "2026-11-27T20:00:00Z"
    return moment


def fit_sale(body):
    """A sale whose times, groups and draw go together, if they are good one by one."""
    for field in ("opens_at", "closes_at"):
        if field in body:
            body[field] = in_range(body[field])
    # A sale that ends by itself ends after it opened.
    if isinstance(body.get("opens_at"), str) and isinstance(body.get("closes_at"), str):
        body["closes_at"] = None
    groups = body.get("groups")
    if isinstance(groups, list) and all(isinstance(one, dict) for one in groups):
        # No group twice.
        for number, group in enumerate(groups):
            if is_name(group.get("name")):
                group["name"] = f"{number}.{group['name']}"[:64]
    draw = body.get("draw")
    if isinstance(draw, dict) and isinstance(draw.get("at"), str) and MOMENT.match(draw["at"]):
        # It lies within the sale, and no hash is zero.
        draw["at"], body["opens_at"], body["closes_at"] = "2126-11-27T20:00:00Z", None, None
        if draw.get("commitment") == "0" * 64:
            draw["commitment"] = "1" * 64
    if body.get("offer_ms") == 0 and (body.get("waitlist") or isinstance(draw, dict)):
        body["offer_ms"] = 1


def without_fractions(value):
    """JSON Schema takes 2500.0 for an integer; here one is written without a fraction."""
    if isinstance(value, dict):
        return {name: without_fractions(field) for name, field in value.items()}
    if isinstance(value, list):
        return [without_fractions(one) for one in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Every other name is that of the sale, and of the item of which there is plenty."""
    for parameter, known in (("sale", "drop"), ("sku", "mug")):
        value = (path_parameters or {}).get(parameter)
        if is_name(value) and len(value) % 2 == 0:
            path_parameters[parameter] = known
    return path_parameters


@schemathesis.hook
def before_call(context, case, kwargs):
    """The body, in all phases: not all of them know hooks of their own for it."""
    if not isinstance(case.body, (dict, list)):
        return
    case.body = body = without_fractions(case.body)
    if not isinstance(body, dict):
        return
    for field in ("at", "until"):
        if field in body:
            body[field] = in_range(body[field])
    groups = body.get("groups")
    if isinstance(groups, dict) and all(map(is_name, groups)):
        # The sale that there is has none.
        if all(isinstance(one, str) and IDENT.match(one) for one in groups.values()):
            del body["groups"]
    lines = body.get("lines")
    for line in [body, *(lines if isinstance(lines, list) else [])]:
        if isinstance(line, dict) and is_name(line.get("item")) and len(line["item"]) % 2 == 0:
            line["item"] = "mug"
    items = body.get("items")
    if isinstance(items, list):
        # A sale's name is the one in its path.
        if is_name(body.get("name")):
            del body["name"]
        # No sku twice.
        known = set()
        for number, item in enumerate(items):
            if isinstance(item, dict) and is_name(item.get("sku")):
                if item["sku"] in known:
                    item["sku"] = f"{number}.{item['sku']}"[:64]
                known.add(item["sku"])
        fit_sale(body)
