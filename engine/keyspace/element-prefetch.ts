/**
 * What is told of requests that have arrived, so that the leaves which they are going to use can be prefetched: the row of a command says which of
 * its arguments name elements, each type where such elements lie. All of this are hints: what is missing or wrong costs time, and changes nothing.
 */
import type { TreePrefetch } from '../tree/tree-prefetch.ts'

/** What a command uses of the collection under its key, as far as its arguments tell. An argument is its number, 0 for none. */
export interface ElementUse {
  /** The first element that is named. */
  readonly element: number
  /** Whether the place of that element in the collection's order is used, too. */
  readonly usesPlace?: boolean
  /** A place in that order. */
  readonly place?: number
  /** Elements are taken from that end of the order, one at least. */
  readonly takesFrom?: 'start' | 'end'
}

/** Requests that have arrived, by number. */
export interface PipelinedRequests {
  /** Undefined when the command is not known. */
  use(request: number): ElementUse | undefined
  /** Where an argument begins and ends; both 0 for one that is not there. */
  argumentStart(request: number, index: number): number
  argumentEnd(request: number, index: number): number
}

/** Where the elements of a type lie in its trees. */
export interface ElementPrefetch {
  /** Adds the ways to leaves that a request names. */
  addNamed(ways: TreePrefetch, root: number, requests: PipelinedRequests, request: number, buffer: Uint8Array): void
  /** Adds the ways that are known now that the leaf of way number `way` is there. */
  addFound?(ways: TreePrefetch, way: number, requests: PipelinedRequests, buffer: Uint8Array): void
}
