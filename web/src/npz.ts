// A .npz file of a motion: a zip, not compressed, of one .npy per array.

export function npzOfJoints(joints: Float32Array, frames: number, fps: number): Blob {
  return zip([
    ["joints.npy", npy("<f4", [frames, joints.length / frames / 3, 3], new Uint8Array(joints.slice().buffer))],
    ["fps.npy", npy("<i8", [], new Uint8Array(new BigInt64Array([BigInt(fps)]).buffer))],
  ]);
}

function npy(type: string, shape: number[], data: Uint8Array): Uint8Array {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  let header = `{'descr': '${type}', 'fortran_order': False, 'shape': (${sizes}), }`;
  header = `${header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11)}\n`;
  const bytes = new Uint8Array(10 + header.length + data.length);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 255, header.length >> 8]);
  bytes.set(new TextEncoder().encode(header), 10);
  bytes.set(data, 10 + header.length);
  return bytes;
}

function zip(files: [string, Uint8Array][]): Blob {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const [name, data] of files) {
    const text = new TextEncoder().encode(name);
    const facts = [20, 0, 0, 0, 0x21]; // version, flags, stored, 00:00 of 1980-01-01
    const sizes = [crc32(data), data.length, data.length];
    const local = record(0x04034b50, facts, sizes, [text.length, 0]);
    parts.push(local, text, data);
    const central = record(0x02014b50, [20, ...facts], sizes, [text.length, 0, 0, 0, 0, 0, 0], [offset]);
    directory.push(central, text);
    offset += local.length + text.length + data.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = record(0x06054b50, [0, 0, files.length, files.length], [size, offset], [0]);
  return new Blob([...parts, ...directory, end] as BlobPart[], { type: "application/octet-stream" });
}

/** A signature, then 16-bit and 32-bit numbers in turn, little-endian. */
function record(signature: number, ...groups: number[][]): Uint8Array {
  const bytes: number[] = [];
  const put = (value: number, size: number): void => {
    for (let index = 0; index < size; index++) bytes.push((value >>> (8 * index)) & 255);
  };
  put(signature, 4);
  groups.forEach((group, index) => group.forEach((value) => put(value, index % 2 ? 4 : 2)));
  return Uint8Array.from(bytes);
}

function crc32(data: Uint8Array): number {
  let crc = ~0;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
