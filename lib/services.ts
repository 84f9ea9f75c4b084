import { type Config, readConfig } from './config.ts';
import { type Postgres, postgres } from './database.ts';
import { type Kms, kms } from './kms.ts';
import { type Meter, newMeter } from './meter.ts';

/** What one request or job works with; every call outside goes through here and is counted. */
export interface Services {
  env: Env;
  config: Config;
  meter: Meter;
  postgres: Postgres;
  kms: Kms;
}

/** Opens the services of one request or job. Throws where a setting is missing. */
export function openServices(env: Env): Services {
  const config = readConfig(env);
  const meter = newMeter();
  return { env, config, meter, postgres: postgres(config, meter), kms: kms(config, meter) };
}
