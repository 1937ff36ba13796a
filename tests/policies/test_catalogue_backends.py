"""Pools on a cluster and data sets in a database, as the catalogue names them."""

from __future__ import annotations

import pytest

from ledger.nouns import GpuForm
from policies.catalogue import parse_catalogue
from policies.errors import PolicyError

CATALOGUE = """
[gpu_types.h100-80gb]
label = "H100"
price_minor = 280
gpus_per_node = 8
[pools.cluster]
owner = "team:platform"
class = "class:gpu/shared"
source = "slurm"
[pools.cluster.slurm]
partition = "gpu"
types = { h100-80gb = "h100" }
[pools.ours]
owner = "team:platform"
class = "class:gpu/shared"
source = "catalogue"
[backends.warehouse]
kind = "postgres"
known = ["app"]
[datasets.claims]
owner = "team:platform"
level = 2
columns = ["amount"]
backend = "postgres:warehouse"
schema = "sales"
[datasets.clicks]
owner = "team:platform"
level = 0
columns = ["url"]
"""


def test_a_resource_is_carried_out_by_the_backend_that_is_named_for_it():
    catalogue = parse_catalogue(CATALOGUE)
    asked = ("gpu:cluster", "gpu:ours", "data:claims", "data:clicks", "deploy:m@dev", "gpu:unknown")
    assert [catalogue.backend(resource) for resource in asked] == [
        *("slurm:cluster", "gpu", "postgres:warehouse", "data", "deploy", "gpu")
    ]


def test_a_clusters_pool_has_the_types_that_it_maps_and_no_devices_of_ours():
    catalogue = parse_catalogue(CATALOGUE)
    assert catalogue.pools_of("h100-80gb") == ("cluster",)
    assert catalogue.devices("cluster") == ()
    assert catalogue.knows(GpuForm(resource="gpu:cluster", gpu_type="h100-80gb", gpus=4, duration_s=60))


def test_a_table_is_called_like_its_data_set_unless_said():
    at = parse_catalogue(CATALOGUE).datasets["claims"].at
    assert (at.database, at.schema, at.table) == ("warehouse", "sales", "claims")


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ('partition = "gpu"', 'partition = "gpu --uid=0"', "pools.cluster.slurm: 'gpu --uid=0' must be letters"),
        ('partition = "gpu"', "", "pools.cluster.slurm: partition is missing"),
        ('types = { h100-80gb = "h100" }', "types = {}", "types is empty"),
        ('types = { h100-80gb = "h100" }', 'types = { b200 = "b200" }', "no gpu type b200"),
        ('types = { h100-80gb = "h100" }', "types = { h100-80gb = 1 }", "1 must be letters"),
        ('partition = "gpu"', 'partition = "gpu"\ngpus_per_node = 0', "gpus_per_node must be 1 or more"),
        ('partition = "gpu"', 'partition = "gpu"\ntoken = "s"', "unknown key token"),
        ('source = "slurm"', 'source = "slurm"\nnodes = { n = { type = "h100-80gb", gpus = 1 } }', "Slurm's to list"),
        ('source = "slurm"', 'source = "catalogue"', 'the table slurm needs source = "slurm"'),
        ('kind = "postgres"', 'kind = "mysql"', 'backends.warehouse: kind must be "postgres"'),
        ('kind = "postgres"', 'kind = "postgres"\npassword = "x"', "unknown key password"),
        ('kind = "postgres"', 'kind = "postgres"\nhouse = "Q M"', "house is a letter"),
        ('kind = "postgres"', 'kind = "postgres"\nconnection_limit = 0', "connection_limit must be 1 or more"),
        ("[backends.warehouse]", "[backends.'a b']", "a backend's name is a letter"),
        ("postgres:warehouse", "postgres:lake", "no backend 'postgres:lake'. There are: \"postgres:warehouse\""),
        ("postgres:warehouse", "oracle:warehouse", "no backend 'oracle:warehouse'"),
        ('backend = "postgres:warehouse"', "", "schema and table need backend"),
    ],
)
def test_what_a_backend_could_misread_is_a_fault_with_its_place(before, after, fault):
    assert CATALOGUE.count(before) == 1
    with pytest.raises(PolicyError) as refused:
        parse_catalogue(CATALOGUE.replace(before, after))
    assert fault in str(refused.value)
