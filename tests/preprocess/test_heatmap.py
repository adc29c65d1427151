import numpy as np

from hyoid.preprocess.heatmap import Cuboid, cuboids, gaussian_heatmap


def test_two_regions_largest_first_and_a_speck_is_dropped():
    p = np.zeros((20, 20, 20))
    p[2:6, 2:6, 2:6] = 0.9
    p[10:18, 10:13, 10:12] = 0.7
    p[0, 19, 19] = 1
    found = cuboids(p, (5.0, 5.0, 5.0), threshold=0.5, min_volume_ml=1.0)
    assert [c.extent_ijk for c in found] == [(4, 4, 4), (8, 3, 2)]
    assert found[0].centre_ijk == (3.5, 3.5, 3.5)
    assert found[0].volume_ml == 8.0


def test_the_heatmap_is_one_at_the_centre_and_e_to_minus_two_at_the_faces():
    heat = gaussian_heatmap((17, 17, 17), [Cuboid((8.0, 8.0, 8.0), (8, 4, 16), 1.0)])
    assert heat[8, 8, 8] == 1
    # Half an edge away is two sigma.
    assert np.allclose([heat[12, 8, 8], heat[8, 10, 8], heat[8, 8, 16]], np.exp(-2), atol=1e-6)


def test_several_cuboids_are_combined_by_maximum():
    a, b = Cuboid((3.0, 3.0, 3.0), (4, 4, 4), 1), Cuboid((9.0, 9.0, 9.0), (4, 4, 4), 1)
    both = gaussian_heatmap((12, 12, 12), [a, b])
    single = [gaussian_heatmap((12, 12, 12), [c]) for c in (a, b)]
    assert np.array_equal(both, np.maximum(*single))


def test_nothing_gives_zeros():
    assert cuboids(np.zeros((4, 4, 4)), (1, 1, 1)) == ()
    assert not gaussian_heatmap((4, 4, 4), ()).any()


def test_a_mirrored_patient_has_a_mirrored_heatmap():
    p = np.random.default_rng(0).random((12, 12, 12)) > 0.97
    heat, mirrored = (gaussian_heatmap(p.shape, cuboids(q, (10, 10, 10), min_volume_ml=1)) for q in (p, p[:, :, ::-1]))
    assert np.allclose(mirrored[:, :, ::-1], heat, atol=1e-6)
