"""Writes all-MiniLM-L6-v2 as an ONNX graph from the weights of its safetensors file.

usage: convert_minilm.py MODEL_DIR OUT.onnx

MODEL_DIR holds `config.json` and `model.safetensors` in the naming of Hugging Face's BertModel.
The graph takes input_ids, attention_mask and token_type_ids, each int64 [batch, sequence], and gives
last_hidden_state, float32 [batch, sequence, hidden]; pooling is the caller's. No PyTorch is needed.

Two choices are forced by onnxruntime's graph optimiser: positions are a Slice of their table (a
Gather over a Range is mis-optimised), and the mask is [batch, 1, 1, sequence] so that attention fuses.
"""

import json
import pathlib
import struct
import sys

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

MASKED = -10000.0
OPSET = 20


def read_safetensors(path):
    """Reads a safetensors file: u64 header length, JSON header, raw little-endian tensors."""
    data = path.read_bytes()
    (header_bytes,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + header_bytes])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] not in ("F32", "I64"):
            raise SystemExit(f"{path}: tensor {name} has dtype {entry['dtype']}, expected F32")
        dtype = "<f4" if entry["dtype"] == "F32" else "<i8"
        begin, end = entry["data_offsets"]
        raw = data[8 + header_bytes + begin : 8 + header_bytes + end]
        tensors[name.removeprefix("bert.")] = np.frombuffer(raw, dtype).reshape(entry["shape"])
    return tensors


class Graph:
    """Collects nodes and initialisers; every method returns the name of its output."""

    def __init__(self):
        self.nodes, self.constants, self.names = [], {}, 0

    def constant(self, name, array):
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def op(self, kind, *inputs, **attributes):
        self.names += 1
        output = f"{kind.lower()}_{self.names}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output


def bert(graph, weights, config):
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    head_size = hidden // heads
    epsilon = config["layer_norm_eps"]
    for name, values in {
        "zero": [0], "one": [1], "axis1": [1], "mask_axes": [1, 2],
        "split_heads": [0, 0, heads, head_size], "merge_heads": [0, 0, hidden],
    }.items():
        graph.constant(name, np.array(values, np.int64))
    graph.constant("one_f", np.array(1.0, np.float32))
    graph.constant("masked", np.array(MASKED, np.float32))
    graph.constant("scale", np.array(np.sqrt(head_size), np.float32))

    def weight(name):
        return graph.constant(name, weights[name])

    def linear(value, name):
        graph.constant(f"{name}.T", weights[f"{name}.weight"].T)
        return graph.op("Add", graph.op("MatMul", value, f"{name}.T"), weight(f"{name}.bias"))

    def norm(value, name):
        return graph.op("LayerNormalization", value, weight(f"{name}.weight"), weight(f"{name}.bias"), axis=-1, epsilon=epsilon)

    words = graph.op("Gather", weight("embeddings.word_embeddings.weight"), "input_ids")
    types = graph.op("Gather", weight("embeddings.token_type_embeddings.weight"), "token_type_ids")
    length = graph.op("Slice", graph.op("Shape", "input_ids"), "axis1", graph.constant("two", np.array([2], np.int64)))
    positions = graph.op("Slice", weight("embeddings.position_embeddings.weight"), "zero", length, "zero")
    state = norm(graph.op("Add", graph.op("Add", words, types), positions), "embeddings.LayerNorm")

    mask = graph.op("Cast", graph.op("Unsqueeze", "attention_mask", "mask_axes"), to=TensorProto.FLOAT)
    mask = graph.op("Mul", graph.op("Sub", "one_f", mask), "masked")

    for layer in range(config["num_hidden_layers"]):
        prefix = f"encoder.layer.{layer}"

        def split(name, permutation):
            value = linear(state, f"{prefix}.attention.self.{name}")
            return graph.op("Transpose", graph.op("Reshape", value, "split_heads"), perm=permutation)

        query, value = split("query", [0, 2, 1, 3]), split("value", [0, 2, 1, 3])
        key = split("key", [0, 2, 3, 1])
        scores = graph.op("Add", graph.op("Div", graph.op("MatMul", query, key), "scale"), mask)
        context = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), value)
        context = graph.op("Reshape", graph.op("Transpose", context, perm=[0, 2, 1, 3]), "merge_heads")
        attended = linear(context, f"{prefix}.attention.output.dense")
        state = norm(graph.op("Add", attended, state), f"{prefix}.attention.output.LayerNorm")
        inner = graph.op("Gelu", linear(state, f"{prefix}.intermediate.dense"))
        state = norm(graph.op("Add", linear(inner, f"{prefix}.output.dense"), state), f"{prefix}.output.LayerNorm")
    graph.nodes.append(helper.make_node("Identity", [state], ["last_hidden_state"]))


def main(model_dir, out):
    config = json.loads((model_dir / "config.json").read_text())
    if config["hidden_act"] != "gelu":
        raise SystemExit(f"{model_dir}/config.json: hidden_act is {config['hidden_act']}, expected gelu")
    graph = Graph()
    bert(graph, read_safetensors(model_dir / "model.safetensors"), config)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    shape = ["batch", "sequence", config["hidden_size"]]
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, shape)
    built = helper.make_graph(graph.nodes, "all-MiniLM-L6-v2", inputs, [output], list(graph.constants.values()))
    model = helper.make_model(built, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9, producer_name="frontload")
    checker.check_model(model)
    save(model, out)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
