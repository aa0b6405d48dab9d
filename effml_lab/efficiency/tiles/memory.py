"""Where tensors lie, and who has read and written what: pointers, and the books of a launch."""
import torch
from torch import Tensor

from .tile import Foreign, TileError, plain


class Pointer(Foreign):
    """Where a tensor lies, or a tile of places in it: added to, and given to tl.load and tl.store."""

    def __init__(self, name: str, tensor: Tensor, at: Tensor | int = 0):
        self.name, self.tensor, self.at = name, tensor, at

    def __add__(self, step) -> "Pointer":
        step = plain(step)
        if isinstance(step, float) or isinstance(step, Tensor) and (step.is_floating_point() or step.dtype == torch.bool):
            raise TileError(f"places in {self.name} are whole numbers: divide them by //")
        try:
            return Pointer(self.name, self.tensor, self.at + step)
        except RuntimeError:
            raise TileError(f"places in {self.name} do not fit: {tuple(self.at.shape)} and {tuple(step.shape)}") from None

    __radd__ = __add__
    __sub__ = lambda self, step: self + (-step)

    def __getitem__(self, key):
        raise TileError(f"{self.name} is a pointer, no tensor: tl.load({self.name} + places)")

    def memory(self) -> Tensor:
        """All that lies between the tensor's first element and its last, in one line."""
        room = 1 + sum((side - 1) * step for side, step in zip(self.tensor.shape, self.tensor.stride()))
        return self.tensor.as_strided((room if self.tensor.numel() else 0,), (1,))

    def places(self, mask) -> tuple[Tensor, Tensor]:
        """The places and which of them count, in one shape, every counted one inside the memory."""
        at, mask = torch.as_tensor(self.at).long(), torch.as_tensor(True if mask is None else plain(mask))
        if mask.dtype != torch.bool:
            raise TileError(f"a mask is made by comparing, got {mask.dtype}")
        try:
            at, mask = torch.broadcast_tensors(at, mask)
        except RuntimeError:
            raise TileError(f"a mask of {tuple(mask.shape)} does not fit places of {tuple(at.shape)}") from None
        room, asked = len(self.memory()), at[mask]
        if len(asked) and not 0 <= asked.min() <= asked.max() < room:
            bad = asked[(asked < 0) | (asked >= room)][0].item()
            raise TileError(f"program {running.program} reaches for element {bad} of {self.name}, which has {room}: mask what "
                            "lies beyond the edge; if that is done, look at how far its rows lie apart")
        return at.where(mask, 0), mask


class Running:
    """The program that runs now, what it has moved, and who has written where."""

    def __init__(self):
        self.program, self.number, self.grid, self.loaded, self.stored, self.writers = (), 0, (), {}, {}, {}

    def count(self, book: dict[str, int], pointer: Pointer, mask: Tensor) -> None:
        book[pointer.name] = book.get(pointer.name, 0) + int(mask.sum()) * pointer.tensor.element_size()

    def book(self, pointer: Pointer) -> Tensor:
        """Which program, from 1 on, has written each place of the storage that a tensor lies in."""
        storage = pointer.tensor.untyped_storage()
        if storage.data_ptr() not in self.writers:
            self.writers[storage.data_ptr()] = torch.zeros(storage.nbytes(), dtype=torch.long)
        return self.writers[storage.data_ptr()]

    def others(self, pointer: Pointer, at: Tensor) -> Tensor:
        """Those of the places that another program has written."""
        seen = self.book(pointer)[at + pointer.tensor.storage_offset()]
        return at[(seen != 0) & (seen != self.number + 1)]

    def read(self, pointer: Pointer, at: Tensor) -> None:
        if pointer.tensor.untyped_storage().data_ptr() in self.writers and len(theirs := self.others(pointer, at)):
            raise TileError(f"element {theirs[0].item()} of {pointer.name} is read by one program and written by another: nobody "
                            "knows which a GPU runs first")

    def wrote(self, pointer: Pointer, at: Tensor) -> None:
        if len(theirs := self.others(pointer, at)):
            raise TileError(f"two programs write element {theirs[0].item()} of {pointer.name}, and nobody knows which a GPU runs "
                            "last: mask the end of a row, beyond which the next begins, or look at where tiles begin")
        self.book(pointer)[at + pointer.tensor.storage_offset()] = self.number + 1


running = Running()
