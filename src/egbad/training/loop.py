"""The one training loop: players take turns, members move together. It knows no method by name."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn

from egbad.nn.generators import MemberGenerators
from egbad.training.cuda_graphs import CudaGraphStep
from egbad.training.early_stopping import BestWeights, State, Trainable
from egbad.training.health import BROKEN, SLOWER, TRIES, Event, Symptom, treatment
from egbad.training.history import History
from egbad.training.players import Batches, Player, Schedule
from egbad.training.process_group import Gradient, current
from egbad.training.weight_averaging import _Averages


class Saver(Protocol):
    """Where the loop leaves its state now and then, and finds it again after it was killed."""

    def found(self) -> State | None:
        """The state to go on from, once; None to begin."""

    def due(self) -> bool:
        """Whether it is time to save."""

    def save(self, state: State) -> None:
        """Keep a state."""


def train(
    model: Trainable,
    players: tuple[Player, ...],
    x: Tensor,
    schedule: Schedule,
    generators: MemberGenerators,
    *,
    advance: Callable[[int], None] = lambda n: None,
    callback: Callable[[int], None] | None = None,
    callback_interval: int = 1000,
    keep: BestWeights | None = None,
    saver: Saver | None = None,
) -> History:
    """Let `turns` move the members of `model` on rows x (n, ...), and leave the averaged weights in it, in eval mode.

    Each turn has its own Adam and its own stream of batches. `advance` is called with the number of steps after every
    step; `watch` with the number of steps so far after every `callback_interval`, while the model is as it would be if training
    ended there. With `keep` the averaged weights that are left are not the last but the best. With `saver` a loop that
    was killed goes on from the state that it saved last, and ends with the same bits.

    Once an epoch (at least twenty and at most forty times in all) it looks after its members: one whose loss is no
    number, or that shows another symptom, goes on more slowly, and where that helps from where it was last well. One that
    breaks down time and again stays where it was last well, and the history's symptoms say so.

    On a GPU all members' numbers are drawn there, and moves are recorded and played: `egbad.nn.precision`. Processes that learn
    together draw the same batches, take a part of each, and move by the mean of their gradients: where the
    loss is a mean over rows all that comes of it is as from one process, within what floats round. What normalises or
    contrasts within a batch does so within its part.
    """
    with generators.on_device():
        loop = _Loop(model, players, x, schedule, generators, keep)
        if saver is not None and (state := saver.found()) is not None:
            loop.load(state)
            advance(loop.step)

        model.train()
        while loop.step < schedule.steps and not (keep is not None and keep.over):
            loop.move()
            advance(1)
            if callback is not None and loop.step % callback_interval == 0:
                with loop.averages.shown(model):
                    callback(loop.step)
            # At a look, where every member is as it was last well: that needn't be saved besides.
            if saver is not None and loop.looks_now() and loop.step < schedule.steps and saver.due():
                saver.save(loop.state())
        return loop.end()


class _Loop:
    """All that changes while turns move a model."""

    def __init__(
        self,
        model: Trainable,
        players: tuple[Player, ...],
        x: Tensor,
        schedule: Schedule,
        generators: MemberGenerators,
        keep: BestWeights | None,
    ) -> None:
        self.model, self.players, self.schedule, self.generators, self.keep = model, players, schedule, generators, keep
        self.optimizers = [_adam(turn, schedule) for turn in players]
        self.process_group = current()
        self.gradients = [self.process_group.gradient(turn.loss, turn.params) for turn in players]
        self.streams = [Batches(x, schedule.batch_size, generators, self.process_group.world) for _ in players]
        self.averages = _Averages([p for turn in players for p in turn.params])
        self.history = History(tuple(turn.name for turn in players))
        self.sums = torch.zeros(len(players), len(generators), device=x.device)  # of losses since the last record
        self.step = self.since = 0
        epoch = max(1, len(x) // self.streams[0].size)
        self.look_every = max(1, schedule.steps // 40, min(epoch, schedule.steps // 20))
        self.pace = torch.ones(len(players), len(generators), device=x.device)  # of each member, beside its turn's
        self.free: dict[str, list[bool]] = {}  # symptom -> which members were once without it
        self.well = self._snapshot()
        self.moves = self._all_moves()

    def move(self) -> None:
        """One step: every player moves once, or as often as its turn says."""
        schedule = self.schedule
        for turn, optimizer, stream, move in zip(self.players, self.optimizers, self.streams, self.moves, strict=True):
            _set_rate(optimizer, turn.pace * schedule.rate(self.step))
            for _ in range(turn.moves):
                batch = next(stream)
                move(batch)
        self.averages.update(schedule.decay(self.step))
        self.step, self.since = self.step + 1, self.since + 1
        if self.looks_now():
            self._look(batch)
        if self._due(200, self.since):
            self.history.steps.append(self.step)
            self.history.losses.append(self.sums / self.since)
            self.sums.zero_()
            self.since = 0
        if self.keep is not None and self._keeps_now(self.keep):
            with self.averages.shown(self.model):
                self.keep.look(self.model, self.step)

    def _all_moves(self) -> list[Callable[[Tensor], None]]:
        """What each turn does with a batch, as members are paced now."""
        moves = [
            partial(_add_move, turn, gradient, optimizer, None if bool((pace == 1).all()) else pace, total)
            for turn, gradient, optimizer, pace, total in zip(
                self.players, self.gradients, self.optimizers, self.pace, self.sums, strict=True
            )
        ]
        if self.process_group.world > 1:
            return [partial(self._move_part, move) for move in moves]
        common = self.generators.common
        return [*moves] if common is None else [CudaGraphStep(move, common) for move in moves]

    def _move_part(self, move: Callable[[Tensor], None], batch: Tensor) -> None:
        """Make a move on this process's part of a batch, and share what it leaves besides weights."""
        part = self.process_group.part(batch.shape[1])
        with self.generators.part_of(part, batch.shape[1]):
            move(batch[:, part])
        moments = [v for name, v in self.model.state_dict().items() if name.rpartition(".")[2].startswith("running_")]
        for value, mean in zip(moments, self.process_group.average(moments), strict=True):
            value.copy_(mean)

    def _keeps_now(self, keep: BestWeights) -> bool:
        """Whether the criterion is asked, after the step that was just made."""
        every = keep.every or max(1, self.schedule.steps // 50)
        return self.step % every == 0 or self.step == self.schedule.steps

    def looks_now(self) -> bool:
        """Whether members are looked after, after the step that was just made."""
        return self.step % self.look_every == 0 or self.step == self.schedule.steps

    def _look(self, batch: Tensor) -> None:
        """Treat what is wrong with members, as seen on a batch (K, B, ...), and remember what they are now."""
        broken = self._broken()
        self.model.eval()
        with self.generators.fork_rng(), torch.no_grad():  # to look must not change what is drawn next
            found = {BROKEN: broken} | {s: ill & ~broken for s, ill in self.model.symptoms(batch).items()}
        self.model.train()
        for symptom, ill in found.items():
            ill = self.process_group.agree(ill)
            # What was never otherwise is how training begins: an untrained generator hardly moves.
            free = self.free.setdefault(symptom.words, [symptom is BROKEN] * len(self.generators))
            for member, sick in enumerate(ill.tolist()):
                if sick and free[member]:
                    self._treat(symptom, member)
                free[member] = free[member] or not sick
        self.well = self._snapshot()

    def _broken(self) -> Tensor:
        """Which members have a weight, or a loss since the last look, that is no number: (K,) bool."""
        records = zip(self.history.steps, self.history.losses, strict=True)
        losses = [self.sums, *(loss for step, loss in records if step > self.well[0])]
        numbers = [t for t in (*self._by_member(), *(loss.T for loss in losses)) if t.is_floating_point()]
        if bool(torch.isfinite(torch.stack(torch._foreach_norm(numbers))).all()):  # nearly always, and quickly known
            return torch.zeros(len(self.generators), dtype=torch.bool, device=self.sums.device)
        return ~torch.stack([torch.isfinite(t).reshape(len(t), -1).all(1) for t in numbers]).all(0)

    def _treat(self, symptom: Symptom, member: int) -> None:
        treated = sum(e.member == member and e.words == symptom.words for e in self.history.events)
        if treated == TRIES and symptom is not BROKEN:
            return
        back_to = None
        if symptom.back:
            back_to, then = self.well
            for i, now in enumerate(self._by_member()):
                now[member] = then[i][member] if i < len(then) else 0  # before the first step there are no moments
            self.sums[:, member] = 0
        for i, turn in enumerate(self.players):
            if turn.name in symptom.slower or not symptom.slower:
                self.pace[i, member] *= SLOWER if treated < TRIES else 0  # it stays where it was last well
        self.moves = self._all_moves()
        if treated < TRIES:
            self.history.events.append(Event(self.step, member, symptom.words, treatment(symptom, back_to)))

    def _snapshot(self) -> tuple[int, list[Tensor]]:
        """The step, and all that belongs to members as it is now."""
        return self.step, [tensor.clone() for tensor in self._by_member()]

    def _by_member(self) -> list[Tensor]:
        """Everything that belongs to members, each (K, ...): weights, statistics, averages, moments."""
        tensors = [*self.model.state_dict().values(), *self.averages.values]
        for optimizer in self.optimizers:
            for moments in optimizer.state.values():
                tensors += [moments["exp_avg"], moments["exp_avg_sq"]]
        return tensors

    def _due(self, times: int, steps: int) -> bool:
        """Whether what is done `times` times in the whole run, after so many `steps`, is to be done now."""
        return steps % max(1, self.schedule.steps // times) == 0 or self.step == self.schedule.steps

    def end(self) -> History:
        """Leave the weights that count in the model, and say what happened."""
        self.averages.swap()
        self.model.eval()
        for turn in self.players:
            for p in turn.params:
                p.grad = None
        if self.keep is not None and self.keep.best:
            self.keep.restore(self.model)
            self.history.events += self.keep.events()
        if self.schedule.steps:
            with torch.no_grad():
                found = self.model.symptoms(next(self.streams[0]))
            broken = (self.pace == 0).any(0)
            found = {BROKEN: broken} | {
                symptom: self.process_group.agree(ill & ~broken) for symptom, ill in found.items()
            }
            self.history.symptoms = {s: ill.nonzero().flatten().tolist() for s, ill in found.items() if ill.any()}
        if self.history.losses:  # what is told of stages, members and processes meets on the CPU
            self.history.losses = [*torch.stack(self.history.losses).cpu()]
        return self.history

    def state(self) -> State:
        """Everything that the rest of the run depends on, as tensors by name."""
        state: State = {"step": torch.tensor(self.step), "since": torch.tensor(self.since), "sums": self.sums}
        state |= {f"model.{name}": value for name, value in self.model.state_dict().items()}
        state |= {f"average.{i}": value for i, value in enumerate(self.averages.values)}
        state |= {f"generator.{k}": generator.get_state() for k, generator in enumerate(self.generators.in_use())}
        words = json.dumps({"events": [event.plain() for event in self.history.events], "free": self.free}).encode()
        state |= {"pace": self.pace, "words": torch.tensor([*words], dtype=torch.uint8)}
        state |= {"history.steps": torch.tensor(self.history.steps, dtype=torch.int64)}
        state |= {"history.losses": torch.stack(self.history.losses)} if self.history.losses else {}
        for i, (optimizer, stream) in enumerate(zip(self.optimizers, self.streams, strict=True)):
            for j, moments in optimizer.state_dict()["state"].items():
                state |= {f"optimizer.{i}.{j}.{name}": value for name, value in moments.items()}
            state |= {f"stream.{i}.order": stream.order, f"stream.{i}.place": torch.tensor(stream.place)}
        if self.keep is not None:
            state |= {f"keep.{name}": value for name, value in self.keep.state().items()}
        return state

    def load(self, state: State) -> None:
        """Be as a loop was that gave this state."""
        self.step, self.since = int(state["step"]), int(state["since"])
        self.sums.copy_(state["sums"])
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                value.copy_(state[f"model.{name}"])
            for i, value in enumerate(self.averages.values):
                value.copy_(state[f"average.{i}"])
        for k, generator in enumerate(self.generators.in_use()):
            generator.set_state(state[f"generator.{k}"])
        self.history.steps = state["history.steps"].tolist()
        self.history.losses = [*state["history.losses"].to(self.sums)] if self.history.steps else []
        for i, (optimizer, stream) in enumerate(zip(self.optimizers, self.streams, strict=True)):
            whole = optimizer.state_dict()
            whole["state"] = {
                j: {name: state[f"optimizer.{i}.{j}.{name}"] for name in ("step", "exp_avg", "exp_avg_sq")}
                for j in whole["param_groups"][0]["params"]
            }
            optimizer.load_state_dict(whole)
            stream.order = state[f"stream.{i}.order"].to(stream.x.device)
            stream.place = int(state[f"stream.{i}.place"])
        self.pace.copy_(state["pace"])
        words = json.loads(bytes(state["words"].tolist()))
        self.history.events, self.free = [Event(**event) for event in words["events"]], words["free"]
        self.well = self._snapshot()
        self.moves = self._all_moves()
        if self.keep is not None:
            kept = {name.removeprefix("keep."): t for name, t in state.items() if name.startswith("keep.")}
            self.keep.load(kept, self.sums.device)


def _adam(turn: Player, schedule: Schedule) -> torch.optim.Adam:
    """A turn's optimizer. On a GPU it reads its learning rate there, so that a step can be recorded."""
    betas, device = (schedule.beta1, schedule.beta2), turn.params[0].device
    if device.type == "cpu":
        return torch.optim.Adam(turn.params, lr=schedule.learning_rate, betas=betas, foreach=True)
    rate = torch.tensor(schedule.learning_rate, device=device)
    return torch.optim.Adam(turn.params, lr=rate, betas=betas, fused=True, capturable=True)


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Let an optimizer learn so fast from here on."""
    group = optimizer.param_groups[0]
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate


def _add_move(
    turn: Player,
    gradient: Gradient,
    optimizer: torch.optim.Optimizer,
    pace: Tensor | None,
    losses: Tensor,
    batch: Tensor,
) -> None:
    """Move one player, each member by its share `pace` (K,) of the way where that isn't all of it; add to `losses` (K,)."""
    with nullcontext() if pace is None else _slowed(turn.params, pace):
        found, grads = gradient(batch)
        for p, g in zip(turn.params, grads, strict=True):
            p.grad = g.contiguous()  # as the fused optimizer of a GPU asks
        optimizer.step()
        losses += found / turn.moves


@contextmanager
def _slowed(params: list[nn.Parameter], pace: Tensor) -> Iterator[None]:
    """Let every member move by a share `pace` (K,) of what it would: Adam knows one learning rate for all of them."""
    before = [p.detach().clone() for p in params]
    yield
    with torch.no_grad():
        for p, start in zip(params, before, strict=True):
            slow = pace.view(-1, *[1] * (p.dim() - 1))
            moved = torch.where(slow == 0, start, start + slow * (p - start))
            p.copy_(torch.where(slow == 1, p, moved))
