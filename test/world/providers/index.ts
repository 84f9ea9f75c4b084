import type { SimulatorFactory } from '../simulator.ts';
import { github } from './github.ts';
import { shopify } from './shopify.ts';
import { stripe } from './stripe.ts';
import { zendesk } from './zendesk.ts';

/** The simulators: one line a provider. */
export const simulators: readonly SimulatorFactory[] = [shopify, stripe, zendesk, github];
