/** What commands on places need of a cold sorted set: of a large one the leaves of the members, or of the areas that are searched. */
import type { WantsOf } from '../need.ts'
import { placeOf, scoreRanges } from '../types/geo-hash.ts'
import { wantMember, wantRank, wantRanks } from '../types/sorted-set-wants.ts'
import { addingRequest, coordinates } from './geo-arguments.ts'
import type { GeoCommand } from './geo-options.ts'
import { readGeoSearch } from './geo-options.ts'
import { ofTree, wantsScoredMembers } from './sorted-set-needs.ts'

/** Score and place of all members of GEOADD, and the places that they are given. */
export const wantsPlacedMembers: WantsOf = (keyspace, entry, args, keyIndex, wants) => {
  const request = addingRequest(args)
  if (typeof request !== 'string') wantsScoredMembers(keyspace, entry, request, keyIndex, wants)
}

/** The two members behind the key. */
export const wantsTwoScores = ofTree('wantsTwoScores', (trees, root, args, keyIndex, wants) => {
  for (let i = keyIndex + 1; i <= keyIndex + 2; i++) wantMember(trees, root, args.buffer, args.starts[i], args.ends[i], false, wants)
})

/** The leaves of the areas in which a command searches. */
export function wantsAreas(command: GeoCommand): WantsOf {
  return ofTree('wantsAreas', (trees, root, args, keyIndex, wants) => {
    if (keyIndex !== command.source) return
    const search = readGeoSearch(args, command, true, (index) => {
      const start = args.starts[index]
      const end = args.ends[index]
      if (!wantMember(trees, root, args.buffer, start, end, false, wants)) return false
      const score = trees.score(root, args.buffer, start, end)
      if (!Number.isNaN(score)) placeOf(score, coordinates)
      return !Number.isNaN(score)
    })
    if (typeof search === 'string') return
    for (const { min, end } of scoreRanges(search.shape)) {
      const first = wantRank(trees, root, trees.places.rankOfScore(root, min, false), wants)
      const behind = wantRank(trees, root, trees.places.rankOfScore(root, end, false), wants)
      if (first >= 0 && behind > first) wantRanks(trees, root, first, behind - first, false, wants)
    }
  })
}
