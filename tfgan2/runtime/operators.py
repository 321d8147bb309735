"""The operators of a TFLite file, and which delegates of phones take them.

The rules are those of LiteRT's GPU delegate (`gpu_compatibility.cc` and `model_builder.cc` of
google-ai-edge/LiteRT, 2026) for names, types and shapes, and the list in the README of the Core ML
delegate. Arguments of an operator, such as strides, are not checked, and no phone was tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tfgan2.errors import UserError
from tfgan2.runtime.container import read_sealed

DELEGATES = ("GPU", "Core ML")
MOST_DIMENSIONS = 4
_GPU = """
ABS ADD ADD_N ATAN2 AVERAGE_POOL_2D BATCH_MATMUL BITCAST CAST CEIL CONCATENATION CONV_2D COS
CUMSUM DENSIFY DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV DYNAMIC_UPDATE_SLICE ELU
EMBEDDING_LOOKUP EQUAL EXP FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GELU GREATER
GREATER_EQUAL HARD_SWISH LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR
LOGISTIC LSTM MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL ONE_HOT PACK PAD PADV2
POW PRELU QUANTIZE REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD RELU RELU6 RELU_N1_TO_1
RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 RIGHT_SHIFT ROUND RSQRT SELECT
SELECT_V2 SIGN SIN SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE
STRIDED_SLICE SUB SUM TANH TILE TOPK_V2 TRANSPOSE TRANSPOSE_CONV
"""
_CORE_ML = """
ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D FULLY_CONNECTED HARD_SWISH LOGISTIC
MAX_POOL_2D MIRROR_PAD MUL PAD PADV2 RELU RELU6 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR SOFTMAX TANH
TRANSPOSE_CONV
"""
_FLOAT = ("FLOAT32", "FLOAT16")
_GPU_TYPES = (*_FLOAT, "INT8", "UINT8")
_INTEGERS = ("CAST", "GATHER", "ONE_HOT")
"""Operators whose inputs may be integers on a GPU."""


class Operator(NamedTuple):
    """An operator of a file.

    Attributes:
        name: as TFLite's schema has it, such as CONV_2D.
        layer: the tensor that it writes, which bears the name of its layer.
        refusals: delegate, one of `DELEGATES` -> why it leaves the operator to the CPU.
    """

    name: str
    layer: str
    refusals: dict[str, str]


def read_operators(path: Path) -> list[Operator]:
    """Returns the operators of a `.tflite` file, in order.

    Raises:
        UserError: as `runtime.load`, or LiteRT is not installed.
    """
    content, metadata = read_sealed(path)
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError:
        raise UserError(f"{path.name} needs LiteRT: pip install ai-edge-litert") from None
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content[: metadata["model_bytes"]], 0))
    names, types = (
        {value: name for name, value in vars(kind).items() if name.isupper()}
        for kind in (schema.BuiltinOperator, schema.TensorType)
    )
    return list(_operators(model, names, types))


def _operators(model: Any, names: dict[int, str], types: dict[int, str]) -> Iterator[Operator]:
    for graph in model.subgraphs:
        tensors = [_Tensor.of(tensor, model.buffers, types) for tensor in graph.tensors]
        for item in graph.operators:
            code = model.operatorCodes[item.opcodeIndex]
            # Old files have their number in a field of one byte.
            name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
            inputs = [tensors[index] for index in item.inputs if index >= 0]
            outputs = [tensors[index] for index in item.outputs]
            reasons = (
                rule(name, inputs, outputs) for rule in (_refused_by_gpu, _refused_by_core_ml)
            )
            refusals = {key: why for key, why in zip(DELEGATES, reasons, strict=True) if why}
            yield Operator(name, outputs[0].name if outputs else "", refusals)


class _Tensor(NamedTuple):
    name: str
    type: str
    dimensions: int
    is_dynamic: bool
    is_constant: bool

    @classmethod
    def of(cls, tensor: Any, buffers: Sequence[Any], types: dict[int, str]) -> _Tensor:
        shape = () if tensor.shape is None else tuple(tensor.shape)
        signature = shape if tensor.shapeSignature is None else tuple(tensor.shapeSignature)
        data = buffers[tensor.buffer].data
        return cls(
            (tensor.name or b"").decode(errors="replace").partition(";")[0],
            types[tensor.type],
            len(shape),
            -1 in signature,
            data is not None and len(data) > 0,
        )


def _refused_by_gpu(name: str, inputs: Sequence[_Tensor], outputs: Sequence[_Tensor]) -> str:
    if name not in _GPU.split():
        return "unknown operator"
    for tensor in (*(each for each in inputs if not each.is_constant), *outputs):
        if tensor.is_dynamic:
            return "dynamic shape"
        if tensor.dimensions > MOST_DIMENSIONS:
            return f"{tensor.dimensions} dimensions"
        logical = tensor.type == "BOOL"
        integer = tensor.type in ("INT32", "INT64") and name in _INTEGERS
        if tensor.type not in _GPU_TYPES and not logical and not integer:
            return f"values of {tensor.type.lower()}"
    return ""


def _refused_by_core_ml(name: str, inputs: Sequence[_Tensor], outputs: Sequence[_Tensor]) -> str:
    if name not in _CORE_ML.split():
        return "unknown operator"
    for tensor in (*(each for each in inputs if not each.is_constant), *outputs):
        if tensor.is_dynamic:
            return "dynamic shape"
        if tensor.type not in _FLOAT:
            return f"values of {tensor.type.lower()}"
    return ""
