"""`hyoid card`: measure a package on given cases, decide what it may answer, write manifest and CARD.md."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hyoid.errors import UsageError
from hyoid.interfaces.cli.options import AsJson
from hyoid.interfaces.installed import OUTLINING, load_model, load_models
from hyoid.interfaces.places import cache_folder
from hyoid.interfaces.terminal import Terminal


def card(
    packages: Annotated[
        list[Path],
        typer.Argument(
            help="Folder of a package. Packages that outline organs, and those of the PET/CT system, are measured "
            "together: give all, in the order of use."
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Option(help="Cases that no training saw: real ones where there are any (CT, PET/CT, MR or lesions)."),
    ] = None,
    virtual: Annotated[
        list[Path] | None, typer.Option(help="Cohort of virtual patients that no training saw; repeat for lesions.")
    ] = None,
    trained: Annotated[
        list[Path] | None,
        typer.Option(help="Lesions: cohort the network was trained on; its test part is measured. Repeat for all."),
    ] = None,
    zero_shot: Annotated[
        Path | None, typer.Option(help="Lesions: cohort with types of lesion that are never trained on.")
    ] = None,
    described: Annotated[
        Path | None,
        typer.Option(help="Lesions: cohort that taught the attributes; decides which attributes are reported."),
    ] = None,
    organs: Annotated[
        list[Path] | None,
        typer.Option(help="Classifiers: package that outlines organs, repeat in order of use. (default: installed)"),
    ] = None,
    tumour: Annotated[
        Path | None, typer.Option(help="Classifiers: package that localises the target. (default: installed)")
    ] = None,
    beside: Annotated[
        list[str] | None,
        typer.Option(help="NAME=PACKAGE to compare with on the same cases, for example ct_only=DIR or before=DIR."),
    ] = None,
    held_out: Annotated[
        list[Path] | None, typer.Option(help="Sub-sites: held_out.json of every fold; repeat for each.")
    ] = None,
    user: Annotated[
        list[str] | None, typer.Option(help="Lesions: simulated user, deterministic or noisy. (default: both)")
    ] = None,
    most: Annotated[int, typer.Option(help="Lesions: largest number of lesions per virtual cohort; 0 for all.")] = 0,
    whom: Annotated[
        str, typer.Option(help="Description of the measured patients in the card. (default: the folder's name)")
    ] = "",
    notes: Annotated[
        Path | None,
        typer.Option(
            help="Folder of packages whose cards give the sections that a person wrote, by package name. "
            "(default: the card that is replaced)"
        ),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(help="Classifiers: SVG file for the reliability diagram; one that is there is replaced."),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(
            help="Folder that keeps the result of every case, for later calls. (default: in the cache folder)"
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be measured, and stop.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure a package on cases that no training saw, and write what it may answer into its manifest and card.

    Manifest and card of PACKAGE are replaced once everything is measured; sections that a person wrote stay. A stopped
    measurement is resumed: the result of every case is kept in --work.
    """
    from hyoid.cards.card import compose_card
    from hyoid.cards.kinds import Kind
    from hyoid.cards.page import written_sections
    from hyoid.io.atomic import write_text
    from hyoid.io.packages.model_package import CARD, read_package, write_manifest
    from hyoid.systems.measure_packages import (
        CardOrder,
        check_order,
        count_cases,
        kind_of_all,
        measure_packages,
    )
    from hyoid.systems.measured_cases import Measuring

    terminal = Terminal(as_json=as_json)
    read = [read_package(folder) for folder in packages]
    kind = kind_of_all(read)
    sees_organs = kind in (Kind.INVOLVEMENT, Kind.SUB_SITES)
    order = CardOrder(
        data=data,
        virtual=tuple(virtual or ()),
        trained=tuple(trained or ()),
        zero_shot=zero_shot,
        described=described,
        organs=tuple(read_package(p) for p in organs or ()) or tuple(load_models(OUTLINING) if sees_organs else ()),
        tumour=read_package(tumour) if tumour else load_model("tumour") if kind is Kind.INVOLVEMENT else None,
        beside={name: read_package(Path(folder)) for name, folder in map(_named, beside or ())},
        held_out=tuple(held_out or ()),
        users=tuple(user or ()),
        most=most,
        figure=figure,
    )
    check_order(kind, order)
    counts = count_cases(kind, read, order)
    names = [package.manifest.name for package in read]
    terminal.event("plan", measured_as=str(kind), packages=names, cases=counts)
    for place, count in counts.items():
        terminal.say(f"{count} cases in {place}")
    if dry_run:
        terminal.say(f"Would measure {', '.join(names)} as {kind}, and write manifest.yaml and {CARD} of each.")
        return
    words = whom or " and ".join(Path(place).name for place in counts)
    with terminal.bars():
        measuring = Measuring(cache_folder(), work or cache_folder() / "cards", words, terminal.progress)
        manifests, drawn = measure_packages(kind, read, order, measuring)
    for folder, manifest in zip(packages, manifests, strict=True):
        earlier = (folder if notes is None else notes / manifest.name) / CARD
        kept = written_sections(earlier.read_text(encoding="utf-8")) if earlier.is_file() else {}
        write_manifest(folder, manifest)
        write_text(folder / CARD, compose_card(manifest, kept))
        terminal.event("measured", package=str(folder), supported=manifest.supported, metrics=manifest.metrics)
        terminal.say(f"{manifest.name}: may answer {', '.join(manifest.supported)}. Card: {folder / CARD}")
    if figure is not None and drawn is not None:
        write_text(figure, drawn)


def _named(text: str) -> tuple[str, str]:
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise UsageError(f"{text!r} names no network to compare with.", "Write --beside NAME=PACKAGE.")
    return name, folder
