/** Chance as a port: a source of uniformly distributed 32-bit unsigned integers. Engine code never calls `Math.random`. */
export interface Random {
  nextUint32(): number
}
