import { type Household, isGone, nameOf } from './cast.ts';

/** What somebody of each team is shown that is not theirs, or is not shown that is. */
export async function shownTo(households: readonly Household[]): Promise<string[]> {
  const wrong: string[] = [];
  for (const { way, mates, connections } of households) {
    for (const brand of new Set(connections.map((each) => each.brand))) {
      for (const side of ['from', 'to'] as const) {
        const scope = brand === undefined ? {} : { brand };
        const reply = await mates[side].at.get('/api/connectors/list?scope=team', scope);
        const ids = ((reply.body.connections ?? []) as { id: string }[]).map(({ id }) => id);
        for (const each of connections.filter((one) => one.brand === brand)) {
          if (ids.includes(each.id) !== (way.hears[side] === 'all'))
            wrong.push(`${nameOf(each)}, to the ${side === 'from' ? 'first' : 'other'} team`);
        }
      }
    }
  }
  return wrong;
}

/** What others on the same grants are told: it ends with theirs where nobody else lives on it. */
export async function othersDisconnect(
  households: readonly Household[],
): Promise<{ wrong: string[]; asked: number }> {
  const wrong: string[] = [];
  const shared = households.flatMap(({ connections }) => connections.filter(({ isShared }) => isShared));
  for (const each of shared) {
    const reply = await each.household.other.at.delete(`/api/connectors/${each.provider}`);
    const must = isGone(each) ? 'revoked' : 'shared';
    if (reply.body.revocation !== must) wrong.push(`${nameOf(each)}: ${reply.body.revocation}`);
  }
  return { wrong, asked: shared.length };
}
