/**
 * What can be sent, as types.
 *
 * @module
 */

/** What bytes may be in; they arrive as a Uint8Array. */
export type Bytes = ArrayBufferLike | ArrayBufferView;

/** What JSON can carry, with bytes anywhere in it. */
export type SendableValue =
  | string
  | number
  | boolean
  | null
  | Bytes
  | readonly SendableValue[]
  | { readonly [key: string]: SendableValue };

/** What `send()` takes: text, bytes, or any other value that JSON can carry. */
export type Sendable = SendableValue | Blob;

/**
 * `Data` itself if all of it can be sent; what can't, such as a function or a
 * Map, is `never` here. Unlike a {@linkcode SendableValue} an interface passes,
 * as TypeScript lets none pass for a record.
 */
export type Carried<Data> = Data extends
  | string
  | number
  | boolean
  | null
  | undefined
  | Bytes
  | { toJSON(): unknown } ? Data
  : Data extends
    | bigint
    | symbol
    | ((...args: never) => unknown)
    | (abstract new (...args: never) => unknown) ? never
  : Data extends readonly (infer Item)[] ? readonly Carried<Item>[]
  // What has methods has a `never` for each.
  : { [Key in keyof Data]: Carried<Data[Key]> };
