"""Layers and snnTorch neurons of a model in the order in which they act."""

from __future__ import annotations

from torch import nn
from torch.nn.parameter import is_lazy

from ir.check import require
from trainer.linear_map import check_hooks, is_layer


def is_neuron(module: nn.Module) -> bool:
    return any(c.__module__.startswith("snntorch") for c in type(module).__mro__)


def leaves(model: nn.Module) -> list[nn.Module]:
    """Layers and neurons in order of assignment; what lies inside one of them belongs to it."""
    if is_neuron(model) or is_layer(model) or not list(model.children()):
        return [model]
    check_hooks(type(model).__name__, model)
    children = list(model) if isinstance(model, (nn.Sequential, nn.ModuleList)) else _named(model)
    # A block that is a sequence by name and runs otherwise (a residual one) is no chain: it is refused by name.
    return [leaf for x in children for leaf in ([x] if _runs_otherwise(x) else leaves(x))]


def _named(model: nn.Module) -> list[nn.Module]:
    """The modules that a model of its own assigns, in that order."""
    names: dict[nn.Module, str] = {}
    for name, module in model._modules.items():
        if module is not None:
            first = names.setdefault(module, name)
            require(
                first == name,
                f"{type(model).__name__} names one {type(module).__name__} twice, {first!r} and {name!r}, so "
                "the order of its layers is not known; pass them with layers=",
            )
    return list(names)


def _runs_otherwise(block: nn.Module) -> bool:
    return isinstance(block, nn.Sequential) and getattr(block.forward, "__func__", None) is not nn.Sequential.forward


def check_parameters(model: nn.Module, chain: list[nn.Module]) -> None:
    """Refuse numbers that belong to none of the layers: nobody would read them."""
    stored = [x for layer in chain for x in (*layer.parameters(), *layer.buffers())]
    read = {id(x) for x in stored} | {x.data_ptr() for x in stored if not is_lazy(x)}
    held = (*model.named_parameters(), *model.named_buffers())
    lost = [n for n, x in held if id(x) not in read and (is_lazy(x) or x.data_ptr() not in read)]
    require(not lost, f"the model uses {', '.join(lost[:3])} beside its layers; fold it into a layer or pass layers=")
