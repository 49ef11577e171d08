// An ONNX model of the three products of a linear layer, in the bytes of its protocol buffers. The numbers are those of the
// fields of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto

const IR_VERSION = 8;
const OPSET = 13;
const FLOAT = 1;
const INT_ATTRIBUTE = 2;

type Value = number | string | Field[];
type Field = readonly [number: number, value: Value];

/** Seven bits a byte, the lowest first. */
function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
}

function encode(fields: readonly Field[]): Uint8Array {
  return Buffer.concat(
    fields.map(([number, value]) => {
      if (typeof value === 'number') return Buffer.from([...varint(number << 3), ...varint(value)]);
      const content = typeof value === 'string' ? Buffer.from(value) : encode(value);
      return Buffer.concat([Buffer.from([...varint((number << 3) | 2), ...varint(content.length)]), content]);
    }),
  );
}

function matrix(name: string, rows: string, columns: string): Field[] {
  const shape: Field[] = [
    [1, [[2, rows]]],
    [1, [[2, columns]]],
  ]; // TensorShapeProto.dim, Dimension.dim_param
  return [
    [1, name],
    [
      2,
      [
        [
          1,
          [
            [1, FLOAT],
            [2, shape],
          ],
        ],
      ],
    ],
  ]; // ValueInfoProto: name, type.tensor_type
}

function attribute(name: string, value: boolean): Field {
  return [
    5,
    [
      [1, name],
      [3, Number(value)],
      [20, INT_ATTRIBUTE],
    ],
  ]; // NodeProto.attribute: name, i, type
}

function gemm(a: string, b: string, output: string, turnsA: boolean, turnsB: boolean): Field {
  const attributes = [attribute('transA', turnsA), attribute('transB', turnsB)];
  return [1, [[1, a], [1, b], [2, output], [4, 'Gemm'], ...attributes]]; // GraphProto.node: input, output, op_type
}

/**
 * `logits = hidden weight^T`, `gradHidden = logits weight` and `gradWeight = logits^T hidden`, in float32: the products of a
 * layer and of its gradients, were the logits their own gradient. All in one model, as each session has threads of its own.
 */
export function productsModel(): Uint8Array {
  const graph: Field[] = [
    gemm('hidden', 'weight', 'logits', false, true),
    gemm('logits', 'weight', 'gradHidden', false, false),
    gemm('logits', 'hidden', 'gradWeight', true, false),
    [2, 'products'],
    [11, matrix('hidden', 'N', 'H')],
    [11, matrix('weight', 'V', 'H')],
    [12, matrix('logits', 'N', 'V')],
    [12, matrix('gradHidden', 'N', 'H')],
    [12, matrix('gradWeight', 'V', 'H')],
  ];
  return encode([
    [1, IR_VERSION],
    [8, [[2, OPSET]]],
    [7, graph],
  ]); // ModelProto: ir_version, opset_import, graph
}
