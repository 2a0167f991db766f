/**
 * Makes sockets on loopback hold as little as if their ends were far apart.
 *
 * On loopback a segment is 64 KB, and a kernel lets dozens of them wait: 4 MB
 * that have left a program and that no proxy has seen yet, which a link of
 * 1 Mbit/s takes half a minute to carry. Across a real link it is about twice
 * what is in flight. With segments of 1448 bytes and the least buffer at the
 * reading end, it is 70 to 110 KB (measured on Linux 6.18, at 20 KB/s to
 * 1 MB/s), and 40 MB/s still pass.
 *
 * Neither Deno nor Node can set these options, so the C library is asked. Where
 * that cannot be done the sockets stay as they are.
 *
 * @module
 */

const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const IPPROTO_TCP = 6;
const TCP_MAXSEG = 2;
const PIDFD_OPEN = 434n;
const PIDFD_GETFD = 438n;

const SEGMENT_BYTES = 1448;
const RECEIVE_BYTES = 4096;
/** A server's sockets have no end that was made small before they opened. */
const SEND_BYTES = 49_152;
/** What `/proc/net/tcp` calls these states. */
const ESTABLISHED = "01";
const LISTENING = "0A";

function openLibrary() {
  if (Deno.build.os !== "linux") return undefined;
  try {
    return Deno.dlopen("libc.so.6", {
      setsockopt: {
        parameters: ["i32", "i32", "i32", "buffer", "u32"],
        result: "i32",
      },
      syscall: { parameters: ["i64", "i64", "i64", "i64"], result: "i64" },
      close: { parameters: ["i32"], result: "i32" },
    }).symbols;
  } catch {
    return undefined;
  }
}

let library: ReturnType<typeof openLibrary> | null = null;
/** Sockets of servers that have been changed. */
const changed = new Set<string>();

/** Makes this process's listener hand out sockets that hold little. */
export async function shrinkListener(port: number): Promise<void> {
  const fd = await ownDescriptor(await inodeOf(port, LISTENING));
  if (fd === undefined) return;
  setOption(fd, IPPROTO_TCP, TCP_MAXSEG, SEGMENT_BYTES);
  setOption(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BYTES);
}

/** Makes this process's connection from this port hold little. */
export async function shrinkConnection(port: number): Promise<void> {
  const fd = await ownDescriptor(await inodeOf(port, ESTABLISHED));
  if (fd !== undefined) setOption(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BYTES);
}

/**
 * Makes a server, here or in a process that this one started, send as if far.
 */
export async function shrinkServer(port: number): Promise<void> {
  const inode = await inodeOf(port, LISTENING);
  if (inode === undefined || changed.has(inode)) return;
  changed.add(inode);
  const own = await ownDescriptor(inode);
  if (own !== undefined) return shrinkSending(own);
  for (const pid of await children()) {
    const fd = await descriptorOf(String(pid), inode);
    if (fd === undefined) continue;
    const { syscall, close } = library!;
    const process = Number(syscall(PIDFD_OPEN, BigInt(pid), 0n, 0n));
    const copy = Number(syscall(PIDFD_GETFD, BigInt(process), BigInt(fd), 0n));
    if (copy >= 0) {
      shrinkSending(copy);
      close(copy);
    }
    if (process >= 0) close(process);
  }
}

function shrinkSending(fd: number): void {
  setOption(fd, IPPROTO_TCP, TCP_MAXSEG, SEGMENT_BYTES);
  setOption(fd, SOL_SOCKET, SO_SNDBUF, SEND_BYTES);
}

function setOption(fd: number, level: number, name: number, value: number) {
  library!.setsockopt(fd, level, name, new Uint32Array([value]), 4);
}

/** The socket of a local port in such a state. */
async function inodeOf(
  port: number,
  state: string,
): Promise<string | undefined> {
  if (library === null) library = openLibrary();
  if (!library) return undefined;
  const table = await Deno.readTextFile("/proc/net/tcp").catch(() => "");
  for (const line of table.split("\n").slice(1)) {
    const words = line.trim().split(/\s+/);
    const local = words[1]?.split(":")[1];
    if (words[3] === state && parseInt(local, 16) === port) return words[9];
  }
}

function ownDescriptor(inode: string | undefined) {
  return inode === undefined ? undefined : descriptorOf("self", inode);
}

async function descriptorOf(
  pid: string,
  inode: string,
): Promise<number | undefined> {
  const folder = `/proc/${pid}/fd`;
  try {
    for await (const { name } of Deno.readDir(folder)) {
      const target = await Deno.readLink(`${folder}/${name}`).catch(() => "");
      if (target === `socket:[${inode}]`) return Number(name);
    }
  } catch {
    // The process has ended, or may not be looked into.
  }
}

async function children(): Promise<number[]> {
  const pids: number[] = [];
  for await (const { name } of Deno.readDir("/proc/self/task")) {
    const path = `/proc/self/task/${name}/children`;
    const text = await Deno.readTextFile(path).catch(() => "");
    pids.push(...text.split(" ").filter(Boolean).map(Number));
  }
  return pids;
}
