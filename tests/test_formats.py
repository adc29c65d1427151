"""The page on formats and the tests: every row of the page has tests, and every one of these is there."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "formats.md"
FILES = {
    "S": "io/dicom/test_series.py",
    "ST": "io/test_study.py",
    "PX": "io/dicom/test_pixels.py",
    "H": "io/dicom/test_headers.py",
    "CH": "io/dicom/test_series_choice.py",
    "SC": "io/dicom/test_study_choice.py",
    "SU": "io/dicom/test_suv.py",
    "PC": "io/test_petct.py",
    "N": "io/files/test_nifti.py",
    "V": "io/files/test_volumes.py",
    "T": "io/files/test_text_headers.py",
    "R": "io/dicom/test_rois.py",
    "O": "io/dicom/test_outputs.py",
    "ID": "io/dicom/test_identity.py",
    "RM": "io/test_reader_masks.py",
    "ON": "anatomy/test_outline_names.py",
    "F": "io/dicom/test_seg_frames.py",
    "LN": "io/files/test_label_names.py",
    "CN": "io/test_channels.py",
    "P": "interfaces/cli/test_predict.py",
    "NN": "inference/test_nnunet.py",
}
# The beginning of a row, and the tests that hold what the row says: FILE:function, without "test_".
ROWS = {
    "files of any name": (
        "S:values_and_places_survive_any_file_order",
        "PX:file_without_preamble",
        "ST:folder_zip_and_one_file_are_the_same_study",
    ),
    "uncompressed (little": (
        "S:compressed_series_is_read_exactly",
        "PX:signs_of_jpeg_2000_are_kept",
    ),
    "feet to head": (
        "S:every_axis_order_and_flip_puts_each_value_at_its_place",
        "S:oblique_series_keeps_its_angle",
        "S:head_first_and_feet_first_stacks_both_ascend_to_the_head",
    ),
    "a tilted gantry": ("S:gantry_tilt_is_straightened_and_recorded",),
    "signed or unsigned": (
        "PX:bits_as_the_header_describes_them",
        "PX:floating_point_pixels",
    ),
    "HighBit above": ("PX:bits_as_the_header_describes_them",),
    "BitsAllocated": ("PX:bits_that_contradict_the_header_are_refused",),
    "overlays of": ("PX:bits_as_the_header_describes_them",),
    "PixelPaddingValue": (
        "PX:padding_becomes_air",
        "PX:padding_of_signed_pixels_is_known_by_its_bits",
    ),
    "padding whose": ("PX:padding_with_the_value_of_tissue_is_that_at_the_border",),
    "HU that cannot": ("PX:values_that_no_ct_has_are_refused",),
    "slope and intercept": ("S:slope_of_each_slice_is_used",),
    "slope of zero": (
        "S:slope_of_zero_and_lookup_tables_are_refused",
        "S:colour_and_other_units_are_refused",
    ),
    "colour, palettes": (
        "S:colour_and_other_units_are_refused",
        "S:localizer_in_the_series_is_named",
        "ST:screenshots_of_a_series_without_geometry",
    ),
    "Enhanced (multi": ("S:multi_frame_object_is_read_like_its_slices",),
    "several frames and": ("S:frames_without_places_are_refused",),
    "positions rounded": (
        "S:positions_rounded_by_the_scanner_are_even",
        "S:uneven_steps_are_not_taken_for_rounding",
    ),
    "missing slices": (
        "S:missing_slice_is_named",
        "S:missing_slice_is_interpolated_only_when_asked_and_recorded",
        "S:uneven_steps_are_refused_and_interpolated_on_request",
    ),
    "the same image": ("S:image_stored_twice_is_read_once",),
    "different images": (
        "S:different_images_of_one_uid_are_refused",
        "S:position_held_by_two_images_is_named",
    ),
    "two passes": ("S:passes_that_take_turns_are_refused_and_in_a_row_are_read",),
    "projections": ("ST:projections_are_no_slices",),
    "images compressed": ("S:loss_by_compression_is_told",),
    "slices that differ": (
        "S:mixed_slices_are_named",
        "S:two_echoes_that_take_turns_are_refused",
    ),
    "several series or studies": (
        "S:two_series_are_refused",
        "S:two_studies_are_refused",
        "SC:several_are_refused_with_their_number",
    ),
    "several series of one": (
        "CH:the_reasons_for_a_series_are_told",
        "CH:without_a_reason_the_series_is_asked_for",
    ),
    "absent position": (
        "S:missing_tag_is_named",
        "S:images_that_nothing_can_refer_to_are_refused",
        "PX:missing_description_of_the_bits_is_named",
    ),
    "absent names": ("H:absent_attributes_do_not_stop_a_writer",),
    "any character set": ("H:names_survive_every_character_set",),
    "unknown character": (
        "H:names_survive_every_character_set",
        "H:values_that_no_writer_takes_are_left_out_and_named",
    ),
    "a single slice": ("S:nothing_and_a_single_slice",),
    "a zip archive": ("ST:an_archive_inside_an_archive_is_opened_and_a_deeper_one_refused",),
    "a DICOMDIR": ("ST:a_dicomdir_stands_for_the_folders_beside_it",),
    "tar, gzip": (
        "ST:archives_that_are_no_zip_are_to_be_unpacked",
        "ST:truncated_and_corrupt_zip",
    ),
    "rows and columns": ("S:rows_and_columns_that_the_pixels_do_not_fill_ask_for_no_memory",),
    "MR that shows": ("CH:the_reasons_for_a_series_are_told",),
    "a CT whose values": ("ST:what_no_scan_holds_is_refused",),
    "truncated or damaged": (
        "S:pixels_cut_short_name_the_slice",
        "S:header_cut_short_is_refused",
        "ST:damaged_bytes_are_refused_or_read_but_never_crash",
    ),
    "Units BQML": (
        "SU:start_corrected_bqml_uses_the_dose_left_at_the_start_of_the_scan",
        "SU:gml_is_suv_already",
        "SU:counts_of_philips_become_suv_by_the_scanners_factor",
    ),
    "other units": (
        "SU:what_cannot_be_is_refused",
        "SU:gml_of_another_kind_is_refused",
        "SU:counts_without_a_factor_are_refused",
    ),
    "activity that": ("PC:activity_that_is_called_suv_is_refused",),
    "DecayCorrection": (
        "SU:admin_corrected_bqml_uses_the_whole_dose",
        "SU:uncorrected_frames_have_each_their_own_time",
    ),
    "AcquisitionDateTime": (
        "SU:date_and_time_of_acquisition_in_one_attribute",
        "SU:offsets_from_utc_are_heeded",
    ),
    "series made after": (
        "SU:a_series_made_later_counts_from_the_earliest_acquisition",
        "SU:ge_says_when_the_scan_of_a_later_series_began",
    ),
    "scans over midnight": (
        "SU:scan_over_midnight_counts_from_its_series",
        "SU:injection_before_midnight_counts_as_the_day_before",
    ),
    "dates that did": ("SU:a_shifted_date_is_refused",),
    "time of injection": ("SU:two_moments_of_injection_are_refused",),
    "half-life of": (
        "SU:half_life_is_that_of_the_stated_tracer",
        "SU:what_cannot_be_is_refused",
    ),
    "images that differ": ("SU:images_of_two_examinations_are_refused",),
    "weight or dose": (
        "SU:what_is_missing_is_named",
        "SU:what_cannot_be_is_refused",
    ),
    "Enhanced and Legacy": (
        "SU:enhanced_pet_is_named",
        "S:enhanced_pet_is_named",
    ),
    "PET and CT of": (
        "PC:two_patients_are_refused_and_neither_is_named",
        "PC:two_frames_of_reference_are_refused",
    ),
    "NIfTI-1": (
        "N:every_type_and_byte_order",
        "N:pair_of_header_and_voxels",
        "N:gzip_is_told_by_its_bytes_not_by_its_name",
    ),
    "NIfTI with sform": (
        "N:voxels_and_places_are_those_of_nibabel",
        "N:qfac_zero_means_one",
    ),
    "NIfTI whose sform": (
        "N:sform_and_qform_at_different_places_are_refused",
        "N:flipped_qform_is_refused",
    ),
    "NIfTI whose pixdim": ("N:voxel_sizes_that_contradict_the_sform",),
    "NIfTI with neither": (
        "N:no_place_and_no_rotation_are_refused",
        "N:analyze_does_not_say_where_left_is",
    ),
    "axes off": ("N:nearly_perpendicular_axes_are_straightened",),
    "sheared axes": ("N:sheared_axes_are_refused",),
    "lengths in": (
        "N:metres_and_micrometres_become_millimetres",
        "N:units_that_cannot_be_are_refused",
    ),
    "voxels below": ("N:voxel_sizes_that_cannot_be_are_refused",),
    "4D with": ("N:one_time_point_is_read_and_more_are_refused",),
    "2D, several": (
        "N:one_time_point_is_read_and_more_are_refused",
        "V:four_dimensions_colour_and_nan",
    ),
    "scl_slope": ("N:scaling_is_that_of_nibabel",),
    "NaN or": (
        "V:four_dimensions_colour_and_nan",
        "V:truncated_corrupt_and_foreign_files",
        "N:damaged_headers_are_refused_in_words",
    ),
    "labels off by the": ("N:labels_off_by_the_rounding_of_a_scaled_file_are_labels",),
    "labels off by more": ("N:labels_off_by_more_are_none",),
    "a label map given": (
        "V:label_map_is_no_scan",
        "ST:files_that_are_no_ct_are_refused",
    ),
    "NRRD in space": (
        "T:every_space_ends_in_lps",
        "T:detached_header_and_big_endian",
    ),
    "NRRD without": (
        "T:nrrd_that_cannot_be_placed_is_refused",
        "T:nrrd_with_two_statements_of_its_spacing",
    ),
    "NRRD in bzip2": (
        "T:nrrd_without_origin_is_noted_and_bzip2_refused",
        "T:damaged_nrrd_never_reaches_itk",
    ),
    "MetaImage of any": (
        "T:metaimage_of_any_direction_is_read",
        "ST:mhd_with_its_raw_file",
    ),
    "MetaImage without": ("T:metaimage_that_cannot_be_placed_is_refused",),
    "NRRD or MetaImage whose": ("T:voxels_spread_over_files_are_refused",),
    "NRRD or MetaImage without": (
        "T:nrrd_without_origin_is_noted_and_bzip2_refused",
        "T:metaimage_without_offset_or_with_voxels_elsewhere",
    ),
    "contours on the": ("R:thirty_millimetres_of_contours_are_ten_slices_wherever_their_planes_lie",),
    "a region drawn": (
        "R:planes_that_stand_for_several_slices_are_told",
        "O:contours_on_every_other_plane_fill_the_planes_between",
    ),
    "planes of a region": ("R:a_missing_plane_stays_empty_and_is_told",),
    "regions of one set": (
        "R:one_region_drawn_finely_does_not_thin_another",
        "R:parts_beside_one_another_have_planes_of_their_own",
    ),
    "contours of one slice": (
        "R:all_contours_of_a_slice_count_though_their_planes_differ_by_rounding",
        "R:points_a_little_off_their_plane_and_far_off_it",
    ),
    "a part thinner": ("R:a_part_between_two_slices_does_not_vanish",),
    "holes as": ("R:holes_by_keyhole_by_nesting_and_by_exclusion",),
    "contours of one plane": ("R:contours_that_overlap_in_part_are_joined_unless_they_exclude_each_other",),
    "the same contour": (
        "R:a_contour_that_is_there_twice_counts_once",
        "R:contours_smaller_than_a_pixel_change_nothing",
    ),
    "points, lines": ("R:empty_absent_open_and_pointless_contours_do_not_matter",),
    "contours without": (
        "R:empty_absent_open_and_pointless_contours_do_not_matter",
        "RM:a_target_without_an_outline_is_told",
    ),
    "contours whose number": ("R:contours_that_count_their_points_wrongly_are_told",),
    "coordinates that": ("R:damaged_coordinates_spoil_their_region_alone",),
    "one ROINumber": ("R:one_number_for_several_regions",),
    "contours of a number": ("R:contours_of_a_region_that_is_not_listed_are_left_out_and_told",),
    "two regions of": ("R:two_regions_of_one_name_are_one",),
    "contours across": ("O:rtstruct_of_another_frame_or_direction_is_refused",),
    "another frame of reference, region": (
        "R:every_region_has_its_own_frame_of_reference",
        "RM:another_frame_of_reference_is_refused",
    ),
    "another patient": (
        "ID:outlines_of_another_patient_are_refused_without_a_name",
        "ID:two_dates_of_birth_under_one_patient_id_are_two_patients",
        "RM:outlines_of_another_patient_are_refused",
    ),
    "contours beyond": ("RM:masks_outside_the_field_of_view_are_refused",),
    "truncated files": ("O:foreign_truncated_and_absent_files",),
    "primary tumour": ("ON:names_decide_roles",),
    "involved node": ("ON:names_decide_roles",),
    "gross tumour": ("ON:the_only_bare_gtv_is_the_primary_and_the_reader_is_told",),
    "both together": ("ON:sums_are_left_aside_only_where_both_parts_are_there",),
    "what may be": (
        "ON:what_is_not_clear_is_asked_for_with_the_names",
        "RM:unclear_names_are_asked_for_and_chosen",
    ),
    "one target on": ("ON:what_is_not_clear_is_asked_for_with_the_names",),
    "margin": ("ON:names_decide_roles",),
    "elective": ("ON:names_decide_roles",),
    "organ, anything": ("ON:names_decide_roles",),
    "BINARY": (
        "F:segments_that_overlap_and_frames_that_are_absent",
        "F:frames_of_all_slices_in_any_order",
        "F:label_maps",
    ),
    "FRACTIONAL": ("F:fractional_counts_above_one_half_and_says_so",),
    "frames far apart": ("F:two_frames_far_apart_are_two_slices_not_thick_ones",),
    "even steps": ("F:frames_tell_the_step_where_thickness_is_another",),
    "planes of one segment": ("F:planes_of_one_segment_a_hair_off_those_of_another",),
    "tilted gantry": ("F:tilted_gantry",),
    "another spacing": ("F:another_spacing_and_order_of_axes_is_brought_onto_the_scan",),
    "frames without": ("F:frames_need_not_say_what_they_were_derived_from",),
    "frames in several": ("F:frames_without_a_regular_grid_are_refused",),
    "two segments": (
        "F:segments_that_cannot_be_told_apart_or_are_not_listed",
        "F:frames_fewer_than_said_and_pixels_cut_short",
    ),
    "voxels of a segment": ("F:segments_that_cannot_be_told_apart_or_are_not_listed",),
    "another frame of reference, another": (
        "RM:another_frame_of_reference_is_refused",
        "RM:outlines_of_another_patient_are_refused",
    ),
    "`.seg.nrrd` with": (
        "LN:slicer_says_names_in_the_header",
        "LN:layers_of_slicer_overlap",
    ),
    "`.seg.nrrd` whose": (
        "LN:segments_that_cannot_be_told_apart_are_refused",
        "LN:a_segment_without_label_value_is_refused",
    ),
    "a segment without": (
        "RM:a_target_without_an_outline_is_told",
        "RM:an_empty_segment_of_slicer_is_told",
        "RM:a_file_of_empty_outlines_is_refused_by_their_names",
    ),
    "one file per": (
        "P:a_folder_of_cases_becomes_label_maps",
        "P:cases_are_told_apart_by_their_channels",
    ),
    "masks as channels": ("CN:masks_are_channels_and_no_ct",),
    "a DICOM folder": (
        "P:a_dicom_series_is_a_case",
        "P:a_dicom_mr_is_a_case_of_an_mr_model",
        "CN:pet_alone_is_in_suv",
    ),
    "DICOM for a model of CT": ("CN:ct_and_pet_of_a_study_lie_on_one_grid",),
    "several DICOM": ("P:dicom_studies_are_cases_of_their_own",),
    "a channel that": ("CN:channel_that_does_not_tell_takes_the_only_modality",),
    "DICOM for a model of several": ("CN:dicom_for_several_mr_channels_or_masks_is_refused",),
    "channels on different": (
        "NN:channels_that_do_not_suit_are_refused",
        "P:cases_are_told_apart_by_their_channels",
        "P:files_of_several_cases_are_told_apart_by_their_numbers",
    ),
}


def kinds():
    """First cells of the tables of what is read."""
    page = PAGE.read_text(encoding="utf-8").split("## Where results go")[0]
    cells = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")]
    return [cell for cell in cells if cell not in ("kind of input", "name says")]


def test_every_row_of_the_page_has_tests_and_no_test_waits_for_a_row():
    found = [[begin for begin in ROWS if kind.startswith(begin)] for kind in kinds()]
    assert [kind for kind, begins in zip(kinds(), found, strict=True) if len(begins) != 1] == []
    assert sorted(begin for begins in found for begin in begins) == sorted(ROWS)


@pytest.mark.parametrize("name", FILES)
def test_the_tests_are_there(name):
    there = set(re.findall(r"^def test_(\w+)\(", (TESTS / FILES[name]).read_text(encoding="utf-8"), re.MULTILINE))
    named = {test.partition(":")[2] for tests in ROWS.values() for test in tests if test.startswith(f"{name}:")}
    assert named and named <= there
