"""A drawing as plain JSON data: what the page shows, and nothing that it would have to calculate."""

from __future__ import annotations

import os
from typing import Any

from .contributions import Patience, contributions
from .dependence import Inquiry, dependence
from .diagram import Box, Diagram, Group, Input
from .labels import DETAILED, box_title
from .language import STRINGS
from .pictures import Gallery
from .receipt import Origin
from .shown import Allowance, compact, shown
from .working import general_working, working

__all__ = ["payload"]


def payload(diagram: Diagram, direction: str, lang: str, *, explorable: bool = True) -> dict[str, Any]:
    """Return the drawing as plain JSON data.

    Drawings of up to a few hundred mappings carry the working of each in the names of its own inputs, and the slopes
    of small arrays one by one; larger ones carry one working for each kind of application. One that is not
    `explorable`, being a picture itself, carries neither pictures of arrays nor which elements belong together.
    """
    detailed = len(diagram.boxes) <= DETAILED
    allowance, patience, inquiry = Allowance(), Patience(), Inquiry()
    gallery = Gallery() if explorable else None
    rules: list[Any] = []
    numbers: dict[int, tuple[int, Any]] = {}
    origins: dict[Origin, int] = {}
    general: dict[Any, int] = {}
    workings: list[dict[str, Any]] = []
    dtypes: dict[Any, str] = {}
    loss = diagram.boxes[diagram.root].symbol if diagram.boxes else ""

    def sent(x: Input) -> dict[str, Any]:
        if x.product is None:
            return {}
        if not detailed and x.source is not None and x.product is diagram.boxes[x.source].gradient:
            return {"alone": True}  # it is all that arrives there, and stands there
        return {
            "product": shown(x.product, allowance, gallery),
            "productText": compact(x.product, shape=False, allowance=allowance),
        }

    def working_of(box: Box) -> int:
        assert box.mapping is not None
        if detailed:
            workings.append(working(box, lang, loss))
            return len(workings) - 1
        key = (id(box.mapping), repr(sorted(box.static.items())) if box.static else "", len(box.inputs))
        if key not in general:
            general[key] = len(workings)
            workings.append(general_working(box.mapping, box.static, len(box.inputs), lang))
        return general[key]

    def number_of(rule: Any) -> int:
        if id(rule) not in numbers:  # applications of one kind have one and the same
            if rule not in rules:
                rules.append(rule)
            numbers[id(rule)] = rules.index(rule), rule
        return numbers[id(rule)][0]

    boxes = []
    for box in diagram.boxes:
        made: dict[str, Any] = {
            "kind": box.kind,
            "symbol": box.symbol,
            "title": box_title(box, detailed),
            "shape": list(box.spec.shape),
            "dtype": dtypes.get(box.spec.dtype) or dtypes.setdefault(box.spec.dtype, box.spec.dtype.name),
            "value": shown(box.value, allowance, gallery),
            "gradient": shown(box.gradient, allowance, gallery),
        }
        if box.value is not None:
            made["valueText"] = compact(box.value, allowance=allowance)
        if box.gradient is not None:
            made["gradientText"] = compact(box.gradient, allowance=allowance)
        if box.parameter:
            made["parameter"] = True
        if box.kind == "constant" and box.named:
            made["named"] = True
        if box.mapping is not None:
            made["mapping"] = box.mapping.name
            made["working"] = working_of(box)
            made["inputs"] = [
                {
                    "argument": x.argument,
                    "symbol": x.symbol,
                    "source": x.source,
                    **({"part": x.part} if x.part else {}),
                    **({"value": shown(x.value, allowance, gallery)} if x.source is None else {}),
                    **sent(x),
                }
                for x in box.inputs
            ]
            if box.origin is not None:
                made["origin"] = origins.setdefault(box.origin, len(origins))
            if explorable:
                if detailed and (exact := contributions(box, patience)) is not None:
                    made["contributions"] = exact
                elif (found := dependence(box, inquiry)) is not None:
                    made["rules"] = number_of(found)
        boxes.append(made)
    return {
        "lang": lang,
        "title": diagram.title,
        "loss": loss,
        "root": diagram.root,
        "direction": direction,
        "gradients": diagram.gradients,
        "detailed": detailed,
        "boxes": boxes,
        "groups": _groups(diagram.groups),
        "open": sorted(diagram.opened),
        "workings": workings,
        "rules": rules,
        "pictures": gallery.pictures if gallery is not None else [],
        "origins": [{"file": os.path.basename(o.file), "line": o.line, "text": o.text} for o in origins],
        "strings": {key.removeprefix("page."): s for key, s in STRINGS[lang].items() if key.startswith("page.")},
    }


def _groups(root: Group) -> list[dict[str, Any]]:
    """Return the groups, outer ones first; an item is the number of a box, or the number of a group as a text."""
    return [
        {
            "number": group.number,
            "kind": group.kind,
            "title": group.title,
            "times": group.times,
            "path": group.path,
            "items": [f"g{item.number}" if isinstance(item, Group) else item for item in group.items],
        }
        for group, _ in root.walk()
    ]
