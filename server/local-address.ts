/**
 * Whether a client runs on this machine, by its address as a pipe tells it. What is no IP address has not come through a
 * network: a Unix socket's path, a simulated host's name.
 */
export function isLocal(remoteAddress: string): boolean {
  const isIp = /^(\d+\.\d+\.\d+\.\d+|\[.*\]):\d+$/.test(remoteAddress)
  return !isIp || /^(127\.|\[::1\])/.test(remoteAddress)
}
