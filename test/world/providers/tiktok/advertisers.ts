/** An ad account. Its id is above 2^53 on purpose: as a JSON number it would lose its last digits. */
export interface Advertiser {
  id: string;
  name: string;
  currency: string;
  timezone: string;
  country: string;
}

const ADVERTISERS: Record<'kettle' | 'mugs' | 'spoons' | 'bowls', Advertiser> = {
  kettle: {
    id: '7012345678901234567',
    name: 'Kettle Works',
    currency: 'EUR',
    timezone: 'Europe/Berlin',
    country: 'DE',
  },
  mugs: {
    id: '7112345678901234561',
    name: 'Mugs',
    currency: 'GBP',
    timezone: 'Europe/London',
    country: 'GB',
  },
  spoons: {
    id: '7112345678901234563',
    name: 'Spoons',
    currency: 'USD',
    timezone: 'America/New_York',
    country: 'US',
  },
  bowls: { id: '7112345678901234569', name: 'Bowls', currency: 'USD', timezone: 'Etc/UTC', country: 'US' },
};

/** Who can approve in the portal, with the ad accounts of each. */
export const LOGINS = new Map<string, Advertiser[]>([
  ['ads@kettle.example', [ADVERTISERS.kettle]],
  ['agency@globex.example', [ADVERTISERS.mugs, ADVERTISERS.spoons, ADVERTISERS.bowls]],
  ['newcomer@initech.example', []],
]);

export interface Campaign {
  campaign_id: string;
  advertiser_id: string;
  campaign_name: string;
  objective_type: string;
  operation_status: 'ENABLE' | 'DISABLE';
  secondary_status: string;
  budget: number;
  budget_mode: string;
  create_time: string;
  modify_time: string;
}

/** Kettle Works has more campaigns than a page of the default size holds. */
export function campaignsOf(advertiser: string): Campaign[] {
  const count = advertiser === ADVERTISERS.kettle.id ? 12 : 2;
  return Array.from({ length: count }, (_, index) => {
    const enabled = index % 4 !== 3;
    return {
      campaign_id: `18${advertiser.slice(0, 4)}${advertiser.slice(-2)}0000${String(index + 1).padStart(4, '0')}`,
      advertiser_id: advertiser,
      campaign_name: `Campaign ${index + 1}`,
      objective_type: index % 2 === 0 ? 'WEB_CONVERSIONS' : 'TRAFFIC',
      operation_status: enabled ? 'ENABLE' : 'DISABLE',
      secondary_status: enabled ? 'CAMPAIGN_STATUS_ENABLE' : 'CAMPAIGN_STATUS_DISABLE',
      budget: 50 + index,
      budget_mode: 'BUDGET_MODE_DAY',
      create_time: '2026-06-01 09:00:00',
      modify_time: '2026-10-01 09:00:00',
    };
  });
}
