import { afterEach, expect } from 'vitest';
import { setAgent } from '../../lib/events/set-agent.ts';
import { openServices } from '../../lib/services.ts';
import { type Behaviour, startTenantAgent, type TenantAgent } from '../chaos/lanes/agents.ts';
import { send, stripeEvent } from './deliveries.ts';
import type { TestWorld } from './open-world.ts';
import { openTarget, type Target } from './targets.ts';

/** Somebody whose team has an agent of its own. */
export interface Told {
  target: Target;
  tenantId: string;
  agent: TenantAgent;
}

/** Teams with agents of their own, which end with each test. */
export function lanesOf(world: TestWorld) {
  const agents: TenantAgent[] = [];
  afterEach(async () => {
    await Promise.all(agents.splice(0).map((agent) => agent.close()));
  });

  const redirect = async (tenantId: string, behaviour: Behaviour): Promise<TenantAgent> => {
    const agent = await startTenantAgent(behaviour);
    agents.push(agent);
    const { postgres, kms } = openServices(world.bindings as unknown as Env);
    await setAgent({ postgres, kms, say: () => undefined }, tenantId, agent);
    return agent;
  };

  return {
    redirect,
    async withAgent(behaviour: Behaviour): Promise<Told> {
      const target = await openTarget(world, 'stripe');
      const [row] = await world.sql('select tenant_id from connections where id = $1', [target.id]);
      const tenantId = String(row?.tenant_id);
      return { target, tenantId, agent: await redirect(tenantId, behaviour) };
    },
    async happens({ target }: Pick<Told, 'target'>): Promise<void> {
      const delivery = { body: stripeEvent('invoice.created'), event: '', id: '' };
      expect((await send(target, delivery)).status).toBe(200);
    },
    standing: ({ target }: Pick<Told, 'target'>) =>
      world.sql(
        `select status, attempts, last_error, next_attempt_at = 'infinity' as is_waiting,
           extract(epoch from next_attempt_at - now())::float8 as seconds
         from events where connection_id = $1 and topic is not null order by id`,
        [target.id],
      ),
  };
}

/** How many events an agent has taken. */
export const takenOf = (agent: TenantAgent) => agent.requests.filter(({ isTaken }) => isTaken).length;
