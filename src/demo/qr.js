/**
 * A QR code (ISO/IEC 18004) of a text that is as long as a link.
 *
 * It is our own, as the page is served as it lies here, without a build, and a
 * library from elsewhere would be a second host that could change the page.
 * What spares the most is left out: there is one mode (bytes), one level of
 * error correction (L, as no screen has stains), the five versions in which
 * all is one block, and one mask, where an encoder may draw all eight and take
 * the best looking. Readers read any. The tests compare it with a library.
 */

/** By version from 1 on: bytes of data, and of error correction. */
const CAPACITIES = [[19, 7], [34, 10], [55, 15], [80, 20], [108, 26]];
/** Level L and mask 0, as they are written, with what corrects their errors. */
const FORMAT = 0b111011111000100;

/**
 * Draws a text.
 *
 * @param {string} text At most 106 bytes.
 * @returns {boolean[][] | undefined} The rows, dark where `true`, without the
 * light border of four that must surround them; nothing for a longer text.
 */
export function qrCode(text) {
  const bytes = new TextEncoder().encode(text);
  // Half a byte says that bytes follow, one how many, and half a byte ends it.
  const version = CAPACITIES.findIndex(([room]) => bytes.length + 2 <= room) +
    1;
  if (version === 0) return undefined;
  const [room, correction] = CAPACITIES[version - 1];
  const data = pack(bytes, room);
  return draw(version, [...data, ...remainder(data, correction)]);
}

/** Shifts the bytes by the half byte that precedes them, and fills the room. */
function pack(bytes, room) {
  const halves = [4, bytes.length >> 4, bytes.length & 15];
  for (const byte of bytes) halves.push(byte >> 4, byte & 15);
  halves.push(0);
  const packed = [];
  for (let i = 0; i < halves.length; i += 2) {
    packed.push(halves[i] << 4 | halves[i + 1]);
  }
  for (let filler = 0xec; packed.length < room; filler ^= 0xec ^ 0x11) {
    packed.push(filler);
  }
  return packed;
}

/** What corrects errors in the data (Reed and Solomon). */
function remainder(data, length) {
  let divisor = [1];
  for (let i = 0, root = 1; i < length; i++, root = times(root, 2)) {
    divisor = [...divisor, 0]
      .map((factor, j) => factor ^ times(divisor[j - 1] ?? 0, root));
  }
  const rest = [...data, ...Array(length).fill(0)];
  for (let i = 0; i < data.length; i++) {
    const factor = rest[i];
    divisor.forEach((each, j) => rest[i + j] ^= times(each, factor));
  }
  return rest.slice(data.length);
}

/** Multiplies in the field of 256 elements that QR codes use. */
function times(a, b) {
  let product = 0;
  for (; b; b >>= 1) {
    if (b & 1) product ^= a;
    a = a << 1 ^ (a & 128 && 0x11d);
  }
  return product;
}

function draw(version, words) {
  const size = 17 + 4 * version;
  const rows = Array.from({ length: size }, () => Array(size));
  const set = (x, y, dark) => {
    if (rows[y] && x >= 0 && x < size) rows[y][x] = dark;
  };
  /** Squares in each other: those at such distances from the center are light. */
  const squares = (centerX, centerY, radius, light) => {
    for (let y = -radius; y <= radius; y++) {
      for (let x = -radius; x <= radius; x++) {
        const distance = Math.max(Math.abs(x), Math.abs(y));
        set(centerX + x, centerY + y, !light.includes(distance));
      }
    }
  };

  for (let i = 0; i < size; i++) {
    set(6, i, i % 2 === 0);
    set(i, 6, i % 2 === 0);
  }
  squares(3, 3, 4, [2, 4]);
  squares(size - 4, 3, 4, [2, 4]);
  squares(3, size - 4, 4, [2, 4]);
  if (version > 1) squares(size - 7, size - 7, 2, [1]);

  for (let i = 0; i < 15; i++) {
    const dark = (FORMAT >> i & 1) === 1;
    // Beside the first corner, where it leaves out what stripes the edges.
    if (i < 8) set(8, i < 6 ? i : i + 1, dark);
    else set(i < 9 ? 7 : 14 - i, 8, dark);
    // Beside the other two.
    if (i < 8) set(size - 1 - i, 8, dark);
    else set(8, size - 15 + i, dark);
  }
  set(8, size - 8, true);

  // Up and down in columns of two, from the right, around all of the above.
  let bit = 0;
  for (let right = size - 1; right > 0; right -= 2) {
    if (right === 6) right--;
    // One column to the left of the stripe, all turn the other way.
    const up = (right + 1 & 2) === 0;
    for (let i = 0; i < size; i++) {
      const y = up ? size - 1 - i : i;
      for (const x of [right, right - 1]) {
        if (rows[y][x] !== undefined) continue;
        // A few are left over, and light.
        const dark = (words[bit >> 3] ?? 0) >> (7 - bit++ % 8) & 1;
        set(x, y, (dark ^ (x + y + 1) % 2) === 1);
      }
    }
  }
  return rows;
}
