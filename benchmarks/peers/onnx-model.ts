// An ONNX model of one matrix product, in the bytes of its protocol buffers. The numbers are those of the fields of
// https://github.com/onnx/onnx/blob/main/onnx/onnx.proto

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

/** `y = a b`, with `a` or `b` transposed; float32, shapes left open. */
export function gemmModel(turnsA: boolean, turnsB: boolean): Uint8Array {
  const node: Field[] = [
    [1, 'a'],
    [1, 'b'],
    [2, 'y'],
    [4, 'Gemm'],
    attribute('transA', turnsA),
    attribute('transB', turnsB),
  ];
  const graph: Field[] = [
    [1, node],
    [2, 'product'],
    [11, matrix('a', 'a0', 'a1')],
    [11, matrix('b', 'b0', 'b1')],
    [12, matrix('y', 'y0', 'y1')],
  ];
  return encode([
    [1, IR_VERSION],
    [8, [[2, OPSET]]],
    [7, graph],
  ]); // ModelProto: ir_version, opset_import, graph
}
