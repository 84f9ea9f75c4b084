import { execFileSync } from 'node:child_process';

/** Ends a workerd that has lost its parent to a kill -9 and still holds the port. */
export function endLeftover(port: number): void {
  for (const line of processes()) {
    const [, pid, parent, command = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    const ours =
      /workerd.* serve /.test(command) && command.includes(`--socket-addr=entry=127.0.0.1:${port} `);
    if (ours && parent === '1') process.kill(Number(pid), 'SIGKILL');
  }
}

function processes(): string[] {
  try {
    return execFileSync('ps', ['-eo', 'pid=,ppid=,args='], {
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    }).split('\n');
  } catch {
    return [];
  }
}
