import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { LOOPBACK, onFreePort } from '../support/engines/ports.ts';
import { type Conditions, Lane } from './lane.ts';

/** A TCP proxy on loopback that does to connections what networks do to them. All modes can be combined. */
export interface FaultProxy {
  /** Where it listens; stays the same. */
  readonly port: number;
  /** `redis://` and this address. */
  readonly url: string;
  /** Keeps back what clients send. Connections stay open and answers still pass. */
  hold(): void;
  /** Keeps back what comes on the connections that are open now; new ones pass. Also ended by `release()`. */
  strand(): void;
  /** Passes on what was held, in order, also from clients that have left in the meantime. */
  release(): void;
  /**
   * Goes dark: from now on all open connections, and those made until `heal()`, swallow everything both ways, without an end
   * or a reset that anybody could notice.
   */
  drop(): void;
  /** As `drop()`, but one way: what clients send arrives and is executed, and all answers are swallowed. */
  dropAnswers(): void;
  /** New connections work again. Those that are dark stay dark, as after a change in a network that forgot them. */
  heal(): void;
  /** Ends all connections, both ways, with a reset (RST). */
  reset(): void;
  /** As `reset()`, but for clients alone, as what stands between may do: what they have sent is still on its way. */
  resetClients(): void;
  /** Lets what clients send arrive so many milliseconds later, so that a round trip takes that much longer. 0 ends it. */
  delay(ms: number): void;
  /** Lets each connection carry so many bytes a second each way. Infinity ends it. */
  throttle(bytesPerSecond: number): void;
  /** Stops listening: new connections are refused, open ones go on. */
  refuse(): Promise<void>;
  /** Listens again, on the same port. */
  accept(): Promise<void>;
  /** Ends all connections and stops listening, for good. */
  stop(): Promise<void>;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket | undefined;
  strand(stranded: boolean): void;
  pump(): void;
  goDark(): void;
  muteServer(): void;
}

/** Starts a proxy in front of a port on loopback, through which everything passes as it is until told otherwise. */
export async function startProxy(targetPort: number): Promise<FaultProxy> {
  const conditions: Conditions = { held: false, delayMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY };
  const links = new Set<Link>();
  let dark = false;
  let mute = false;
  let listener: Server | undefined;

  const change = (changed: Partial<Conditions>) => {
    Object.assign(conditions, changed);
    for (const link of links) link.pump();
  };
  const reset = () => {
    for (const { client, server } of links) {
      client.resetAndDestroy();
      server?.resetAndDestroy();
    }
    links.clear();
  };
  const accept = async (port: number) => {
    if (listener) return;
    const next = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      const link = dark ? deadLink(client) : liveLink(client, targetPort, conditions);
      if (mute) link.muteServer();
      links.add(link);
      forgetWhenClosed(link, links);
    });
    next.listen({ port, host: LOOPBACK, exclusive: true });
    await once(next, 'listening');
    listener = next;
  };
  const refuse = async () => {
    // The port is free at once; `close` would come only when the open connections have ended.
    listener?.close();
    listener = undefined;
  };

  const port = await onFreePort(async (free) => {
    await accept(free);
    return free;
  });
  return {
    port,
    url: `redis://${LOOPBACK}:${port}`,
    hold: () => change({ held: true }),
    strand() {
      for (const link of links) link.strand(true);
    },
    release() {
      for (const link of links) link.strand(false);
      change({ held: false });
    },
    drop() {
      dark = true;
      for (const link of links) link.goDark();
    },
    dropAnswers() {
      mute = true;
      for (const link of links) link.muteServer();
    },
    heal() {
      dark = false;
      mute = false;
    },
    reset,
    resetClients() {
      for (const { client } of links) client.resetAndDestroy();
    },
    delay: (delayMs) => change({ delayMs }),
    throttle: (bytesPerSecond) => change({ bytesPerSecond }),
    refuse,
    accept: () => accept(port),
    async stop() {
      await refuse();
      reset();
    },
  };
}

/** A client's connection with one to the server behind it. */
function liveLink(client: Socket, targetPort: number, conditions: Conditions): Link {
  const server = connect({ port: targetPort, host: LOOPBACK, allowHalfOpen: true, noDelay: true });
  const lanes = [
    new Lane(client, server, conditions, true),
    new Lane(server, client, conditions, false),
  ] as const;
  let dark = false;
  const muteServer = () => {
    dark = true;
    lanes[1].goDark();
  };
  // What a client sent before it broke off still arrives, with a plain end behind it, or the server might not read it.
  client.on('error', () => lanes[0].end());
  client.on('close', () => lanes[1].goDark());
  server.on('error', () => {
    if (!dark) client.resetAndDestroy();
  });
  return {
    client,
    server,
    strand(stranded) {
      lanes[0].strand(stranded);
    },
    pump() {
      for (const lane of lanes) lane.pump();
    },
    goDark() {
      muteServer();
      lanes[0].goDark();
    },
    muteServer,
  };
}

/** A connection that was made while all was dark: accepted, since a proxy cannot help it, and never answered. */
function deadLink(client: Socket): Link {
  client.on('error', () => {});
  client.resume();
  return { client, server: undefined, strand() {}, pump() {}, goDark() {}, muteServer() {} };
}

function forgetWhenClosed(link: Link, links: Set<Link>): void {
  const sockets = link.server ? [link.client, link.server] : [link.client];
  for (const socket of sockets) {
    socket.on('close', () => {
      if (sockets.every(({ destroyed }) => destroyed)) links.delete(link);
    });
  }
}
