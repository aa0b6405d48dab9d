"""Trees of dict, list, str, number, None and Tensor to bytes and back: safetensors for the tensors, JSON for the rest.

Whatever passes between the code that judges and the code that is judged goes through here, at home too. So an
answer can never carry behaviour, a case that is damaged in place is damaged in a copy, and the two sides can move
into two processes without a change. Nothing is ever unpickled.
"""
import json

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

Tree = dict | list | str | float | int | bool | None | Tensor


def encode(tree: Tree) -> bytes:
    """The tree as bytes; equal trees give equal bytes. TypeError, in one sentence, for anything else."""
    tensors: dict[str, Tensor] = {}
    try:
        shape = _flatten(tree, tensors)
        return save(tensors, metadata={"tree": json.dumps(shape)})
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise TypeError(f"a tensor of this kind cannot be handed over: {error}") from None


def decode(blob: bytes) -> Tree:
    """The tree of `encode`. ValueError if the bytes are not one."""
    try:
        length = int.from_bytes(blob[:8], "little")
        header = json.loads(blob[8:8 + length])
        return _restore(json.loads(header["__metadata__"]["tree"]), load(blob))
    except (SafetensorError, KeyError, ValueError, TypeError, IndexError) as error:
        raise ValueError(f"these bytes are not an encoded tree: {error}") from None


def _flatten(node: Tree, tensors: dict[str, Tensor]):
    if isinstance(node, Tensor):
        name = str(len(tensors))
        tensors[name] = node.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(node, dict):
        if not all(isinstance(key, str) for key in node):
            raise TypeError("the keys of a dict must be strings")
        return {"dict": [[key, _flatten(value, tensors)] for key, value in node.items()]}
    if isinstance(node, (list, tuple)):
        return [_flatten(value, tensors) for value in node]
    if node is None or isinstance(node, (str, bool, int, float)):
        return node
    hint = {"ndarray": " (torch.from_numpy makes a tensor of it)",
            "generator": " (return the result instead of yielding it)"}
    name = type(node).__name__
    raise TypeError(f"expected tensors, numbers, strings, lists and dicts, got {name}{hint.get(name, '')}")


def _restore(node, tensors: dict[str, Tensor]) -> Tree:
    if isinstance(node, dict):
        [(kind, value)] = node.items()
        return tensors[value] if kind == "tensor" else {key: _restore(v, tensors) for key, v in value}
    return [_restore(value, tensors) for value in node] if isinstance(node, list) else node
