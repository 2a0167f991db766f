/**
 * Another node.
 *
 * @module
 */

import type { Entrant } from "./entrant.ts";
import { Link, type LinkOptions } from "./link.ts";
import { type Note, noteItem } from "./message.ts";
import type { RemoteMember } from "./remote_peer.ts";

/** Another node, and the peers of both that have to do with the other side. */
export class RemoteNode {
  /** The name of that node. */
  readonly node: string;
  /** The name of this node. */
  readonly self: string;
  readonly link: Link;
  /** How much may wait for one peer there, in bytes. */
  readonly maxBufferedBytes: number;
  /** Peers of this node whose slot or whose partner is there. */
  readonly entrants = new Set<Entrant>();
  /** Peers of that node whose slot is here, by their numbers. */
  readonly members = new Map<number, RemoteMember>();

  /** Begins without anybody on either side. */
  constructor(node: string, maxBufferedBytes: number, options: LinkOptions) {
    this.node = node;
    this.self = options.node;
    this.maxBufferedBytes = maxBufferedBytes;
    this.link = new Link(options);
  }

  /** Whether anybody would miss it. */
  get busy(): boolean {
    return this.entrants.size > 0 || this.members.size > 0;
  }

  /** Tells it something. */
  tell(note: Note): void {
    this.link.push(noteItem(note));
  }
}
