"""A program that builds ``minilm.onnx``, the graph of all-MiniLM-L6-v2 in fused operators, without its weights.

The operators are ONNX Runtime's. The file has a few KB and is shipped; the weights are passed by name when a session is
made (``minilm.py``). Only building it needs the package ``onnx``::

    python -m zettel.embedder._graph

Inputs are ``input_ids`` and ``mask``, both int32 of shape (texts, word pieces), padded on the right; the output
``embedding`` is float32 of shape (texts, 384), of length 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

GRAPH_PATH = Path(__file__).with_name("minilm.onnx")

LAYERS = 6
HEADS = 12
WIDTH = 384
INNER_WIDTH = 1536
VOCABULARY = 30_522
POSITIONS = 512
EPSILON = 1e-12

_FUSED = "com.microsoft"
#: Fixed, so that every version of ``onnx`` builds the same file, byte for byte.
_OPSET = 17
_IR_VERSION = 8


def build() -> onnx.ModelProto:
    """The graph; each weight is declared by name and shape, and must be supplied later."""
    nodes = _embeddings()
    for layer in range(LAYERS):
        nodes += _layer(layer)
    nodes += _pooling(f"hidden_{LAYERS}")
    graph = helper.make_graph(
        nodes,
        "all-MiniLM-L6-v2",
        [helper.make_tensor_value_info(name, TensorProto.INT32, ["texts", "pieces"]) for name in ("input_ids", "mask")],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["texts", WIDTH])],
        [_external(name, shape) for name, shape in weight_shapes().items()] + [_axis_one()],
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_FUSED, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="zettel")


def weight_shapes() -> dict[str, tuple[int, ...]]:
    """The name and the shape of every weight that the graph needs; names are those of the safetensors file, if any.

    ``attention.qkv`` is query, key and value side by side, each transposed to (in, out).
    """
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (VOCABULARY, WIDTH),
        "embeddings.position_embeddings.weight": (POSITIONS, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
        "embeddings.LayerNorm.weight": (WIDTH,),
        "embeddings.LayerNorm.bias": (WIDTH,),
    }
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        shapes |= {
            prefix + "attention.qkv.weight": (WIDTH, 3 * WIDTH),
            prefix + "attention.qkv.bias": (3 * WIDTH,),
            prefix + "attention.output.dense.weight": (WIDTH, WIDTH),
            prefix + "attention.output.dense.bias": (WIDTH,),
            prefix + "attention.output.LayerNorm.weight": (WIDTH,),
            prefix + "attention.output.LayerNorm.bias": (WIDTH,),
            prefix + "intermediate.dense.weight": (INNER_WIDTH, WIDTH),
            prefix + "intermediate.dense.bias": (INNER_WIDTH,),
            prefix + "output.dense.weight": (WIDTH, INNER_WIDTH),
            prefix + "output.dense.bias": (WIDTH,),
            prefix + "output.LayerNorm.weight": (WIDTH,),
            prefix + "output.LayerNorm.bias": (WIDTH,),
        }
    return shapes


def _embeddings() -> list[onnx.NodeProto]:
    """The sum of word, position and segment embedding, normalized; the mask becomes the length of each text."""
    # A text is one segment: all its pieces have the segment 0.
    segment = helper.make_node("Sub", ["input_ids", "input_ids"], ["segment_ids"])
    weights = ["word_embeddings.weight", "position_embeddings.weight", "token_type_embeddings.weight"]
    weights += ["LayerNorm.weight", "LayerNorm.bias"]
    embed = helper.make_node(
        "EmbedLayerNormalization",
        ["input_ids", "segment_ids", *("embeddings." + w for w in weights), "mask"],
        ["hidden_0", "lengths"],
        domain=_FUSED,
        epsilon=EPSILON,
    )
    return [segment, embed]


def _layer(layer: int) -> list[onnx.NodeProto]:
    """Attention and the two dense maps after it, each added to its input and normalized."""
    prefix, hidden = f"encoder.layer.{layer}.", f"hidden_{layer}"

    def local(name: str) -> str:
        return f"layer_{layer}_{name}"

    def node(operator: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
        return helper.make_node(operator, inputs, [output], domain=_FUSED, **attributes)

    def normalize(dense: str, skip: str, block: str, output: str) -> onnx.NodeProto:
        weights = [prefix + block + name for name in ("LayerNorm.weight", "LayerNorm.bias", "dense.bias")]
        return node("SkipLayerNormalization", [dense, skip, *weights], output, epsilon=EPSILON)

    def dense(source: str, block: str, output: str) -> onnx.NodeProto:
        # The file has each matrix as (out, in); with transB no transposed copy is needed.
        return node("FusedMatMul", [source, prefix + block + "dense.weight"], output, transB=1)

    qkv = [prefix + "attention.qkv.weight", prefix + "attention.qkv.bias"]
    bias = prefix + "intermediate.dense.bias"
    return [
        node("Attention", [hidden, *qkv, "lengths"], local("attended"), num_heads=HEADS),
        dense(local("attended"), "attention.output.", local("mixed")),
        normalize(local("mixed"), hidden, "attention.output.", local("middle")),
        dense(local("middle"), "intermediate.", local("wide")),
        node("BiasGelu", [local("wide"), bias], local("active")),
        dense(local("active"), "output.", local("narrow")),
        normalize(local("narrow"), local("middle"), "output.", f"hidden_{layer + 1}"),
    ]


def _pooling(hidden: str) -> list[onnx.NodeProto]:
    """The sum over the word pieces of a text, scaled to length 1, which equals their mean scaled to length 1."""
    return [
        helper.make_node("Cast", ["mask"], ["mask_float"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask_float", "axis_one"], ["mask_row"]),
        helper.make_node("MatMul", ["mask_row", hidden], ["sum_row"]),
        helper.make_node("Squeeze", ["sum_row", "axis_one"], ["sum"]),
        helper.make_node("LpNormalization", ["sum"], ["embedding"], axis=-1, p=2),
    ]


def _external(name: str, shape: tuple[int, ...]) -> onnx.TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
    # This file is never opened, since the session is given the values themselves.
    tensor.external_data.add(key="location", value="weights")
    return tensor


def _axis_one() -> onnx.TensorProto:
    return helper.make_tensor("axis_one", TensorProto.INT64, [1], [1])


if __name__ == "__main__":
    GRAPH_PATH.write_bytes(build().SerializeToString(deterministic=True))
