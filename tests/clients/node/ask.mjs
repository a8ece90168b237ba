// Asks a server what the test wants to compare, through fhir-kit-client, and prints it as one JSON object.
// Usage: node ask.mjs BASE_URL ORGANIZATION_ID

import { Client } from 'fhir-kit-client';

const [baseUrl, organization] = process.argv.slice(2);
const client = new Client({ baseUrl });

const ids = (bundle, mode) =>
  bundle.entry.filter((entry) => entry.search.mode === mode).map((entry) => `${entry.resource.resourceType}/${entry.resource.id}`);

const statement = await client.capabilityStatement();
const read = await client.read({ resourceType: 'Organization', id: organization });
const absent = await client.read({ resourceType: 'Organization', id: 'absent' }).catch((error) => error.response);

const pages = [];
let page = await client.search({
  resourceType: 'HealthcareService',
  searchParams: { _count: 120, _include: ['HealthcareService:location', 'HealthcareService:organization'] },
});
let last = page;
while (page) {
  pages.push({ matches: ids(page, 'match'), included: ids(page, 'include'), total: page.total });
  last = page;
  page = await client.nextPage({ bundle: page });
}
const before = await client.prevPage({ bundle: last });
const byPost = await client.search({
  resourceType: 'Location',
  searchParams: { _count: 1000, status: 'active' },
  options: { postSearch: true },
});

console.log(
  JSON.stringify({
    fhirVersion: statement.fhirVersion,
    read,
    absent: { status: absent.status, type: absent.data?.resourceType },
    pages,
    before: ids(before, 'match'),
    byPost: byPost.total,
  }),
);
