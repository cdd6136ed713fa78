use std::io::Write;

use fhec_ir::plan::{AxisOrder, Normalisation, Preprocessing};
use proptest::prelude::*;

use super::array::Array;
use super::values::Values;
use super::*;

fn input(shape: &[usize]) -> InputType {
    let normalisation = Normalisation { divisor: 255.0, mean: vec![0.5], std: vec![0.25] };
    InputType {
        name: "x".into(),
        shape: shape.to_vec(),
        normalisation,
        preprocessing: Preprocessing::default(),
    }
}

fn file(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> Source {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    Source { path, record: None }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn npy(shape: &[usize], data: &[f64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_npy(&mut bytes, shape, data).unwrap();
    bytes
}

/// An array of any type, as numpy writes it.
fn typed(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
}

fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    for (k, (name, array)) in arrays.iter().enumerate() {
        let packed = [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated][k % 2];
        let options = zip::write::SimpleFileOptions::default().compression_method(packed);
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(array).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn idx(records: usize, height: usize, width: usize) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3];
    [records, height, width].iter().for_each(|d| bytes.extend((*d as u32).to_be_bytes()));
    bytes.extend((0..records * height * width).map(|k| k as u8));
    bytes
}

fn open(source: &Source, input: &InputType) -> Result<DataSet, InputError> {
    DataSet::open(vec![input.clone()], std::slice::from_ref(source), LoadOptions::default())
}

/// The one tensor of each record.
fn all(set: &DataSet) -> Vec<Vec<f64>> {
    (0..set.len()).map(|k| set.tensors(k).unwrap().swap_remove(0)).collect()
}

#[test]
fn sources_are_files_or_records() {
    let source = |t: &str| Source::parse(t);
    assert_eq!(source("a.bin#17"), Source { path: "a.bin".into(), record: Some(17) });
    assert_eq!(source("a#b.npy"), Source { path: "a#b.npy".into(), record: None });
    assert_eq!(source("#3"), Source { path: "#3".into(), record: None });
}

#[test]
fn every_format_gives_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let input = input(&[1, 1, 2, 3]);
    let bytes: Vec<u8> = vec![0, 51, 102, 153, 204, 255];
    let expected: Vec<f64> = bytes.iter().map(|b| (f64::from(*b) / 255.0 - 0.5) / 0.25).collect();
    let load = |source: &Source| load(source, input.clone(), LoadOptions::default()).unwrap();
    assert_eq!(load(&file(&folder, "x.u8", &bytes)), expected);
    assert_eq!(load(&file(&folder, "u.npy", &typed("|u1", "(2, 3)", &bytes))), expected);

    let floats: Vec<f64> = expected.iter().map(|x| f64::from(*x as f32)).collect();
    let array = npy(&[1, 1, 2, 3], &expected);
    assert_eq!(load(&file(&folder, "x.npy", &array)), floats);
    assert_eq!(load(&file(&folder, "x.npy.gz", &gzip(&array))), floats);
    assert_eq!(load(&file(&folder, "x.npz", &npz(&[("anything", array)]))), floats);
    let raw: Vec<u8> = expected.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect();
    assert_eq!(load(&file(&folder, "x.f32", &raw)), floats);
    let row: Vec<String> = expected.iter().map(f64::to_string).collect();
    assert_eq!(load(&file(&folder, "x.csv", row.join(", ").as_bytes())), expected);

    let picture = image::GrayImage::from_raw(3, 2, bytes.clone()).unwrap();
    let rgb = image::DynamicImage::ImageLuma8(picture.clone()).to_rgb8();
    picture.save(folder.path().join("x.png")).unwrap();
    rgb.save(folder.path().join("x.bmp")).unwrap();
    let webp = std::fs::File::create(folder.path().join("x.WebP")).unwrap();
    image::codecs::webp::WebPEncoder::new_lossless(webp)
        .encode(&rgb, 3, 2, image::ExtendedColorType::Rgb8)
        .unwrap();
    for name in ["x.png", "x.bmp", "x.WebP"] {
        assert_eq!(load(&Source { path: folder.path().join(name), record: None }), expected, "{name}");
    }

    let cifar = [&[7][..], &bytes, &[8], &bytes].concat();
    let cifar = Source { record: Some(1), ..file(&folder, "batch.bin", &cifar) };
    assert_eq!(load(&cifar), expected);
    let set = open(&cifar, &input).unwrap();
    assert_eq!((set.len(), set.label(0)), (1, Some(8)));
    assert!(set.name(0).ends_with("batch.bin#1"));

    let images = file(&folder, "images.idx.gz", &gzip(&idx(5, 2, 3)));
    let third = load(&Source { record: Some(3), ..images });
    assert_eq!(third[1], (19.0 / 255.0 - 0.5) / 0.25);
}

#[test]
fn whole_numbers_are_numbers_and_only_uint8_is_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let input = input(&[1, 3]);
    let read = |descr: &str, data: &[u8]| {
        let set = open(&file(&folder, "x.npy", &typed(descr, "(3,)", data)), &input).unwrap();
        assert_eq!(set.byte_inputs().count(), 0, "{descr}");
        all(&set).swap_remove(0)
    };
    macro_rules! check {
        ($($descr:literal $t:ty),*) => {$(
            let data: Vec<u8> = [1 as $t, 2 as $t, 100 as $t].iter().flat_map(|x| x.to_le_bytes()).collect();
            assert_eq!(read($descr, &data), [1.0, 2.0, 100.0], $descr);
        )*};
    }
    check!("|i1" i8, "<i2" i16, "<i4" i32, "<i8" i64, "<u2" u16, "<u4" u32, "<u8" u64, "<f4" f32, "<f8" f64);
    assert_eq!(read("<i8", &[0xff; 24]), [-1.0; 3]);
    assert_eq!(read("|b1", &[0, 1, 1]), [0.0, 1.0, 1.0]);
    assert_eq!(read("<f2", &[0x00, 0x3c, 0x00, 0xc0, 0x66, 0x2e]), [1.0, -2.0, 0.0999755859375]);
}

#[test]
fn arrays_are_batches_where_they_have_an_axis_more() {
    let folder = tempfile::tempdir().unwrap();
    let data: Vec<f64> = (0..24).map(f64::from).collect();
    let count = |shape: &[usize], wanted: &[usize]| {
        let source = file(&folder, "x.npy", &npy(shape, &data[..shape.iter().product()]));
        open(&source, &input(wanted)).map(|set| set.len())
    };
    assert_eq!(count(&[2, 3], &[1, 1, 2, 3]).unwrap(), 1);
    assert_eq!(count(&[4, 2, 3], &[1, 1, 2, 3]).unwrap(), 4);
    assert_eq!(count(&[4, 1, 2, 3], &[1, 1, 2, 3]).unwrap(), 4);
    assert_eq!(count(&[1, 1, 1, 2, 3], &[1, 1, 2, 3]).unwrap(), 1);
    assert_eq!(count(&[4, 6], &[1, 6]).unwrap(), 4);
    assert_eq!(count(&[6], &[1, 6]).unwrap(), 1);
    assert_eq!(count(&[6, 1], &[1, 6]).unwrap(), 1);
    assert_eq!(count(&[5], &[1, 1]).unwrap(), 5);
    count(&[2, 3], &[1, 6]).unwrap_err();
    count(&[0, 2, 3], &[1, 1, 2, 3]).unwrap_err();

    let batch = file(&folder, "x.npy", &npy(&[4, 2, 3], &data));
    let input = input(&[1, 1, 2, 3]);
    let set = open(&batch, &input).unwrap();
    assert_eq!(all(&set)[2], data[12..18]);
    let message = load(&batch, input.clone(), LoadOptions::default()).unwrap_err().to_string();
    assert!(message.contains("holds 4 inputs") && message.contains("x.npy#0"), "{message}");
    let second = Source { record: Some(1), ..batch };
    assert_eq!(load(&second, input, LoadOptions::default()).unwrap(), data[6..12]);
}

#[test]
fn shapes_that_differ_are_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let refuse = |shape: &[usize], wanted: &[usize], layout: Option<AxisOrder>| {
        let data = vec![0.0; shape.iter().product()];
        let source = file(&folder, "x.npy", &npy(shape, &data));
        let options = LoadOptions { layout, resize: false };
        load(&source, input(wanted), options).unwrap_err().to_string()
    };
    let check = |message: &str, parts: &[&str]| {
        parts.iter().for_each(|part| assert!(message.contains(part), "{part}: {message}"));
    };
    let net = [1, 3, 8, 9];
    check(&refuse(&[8, 9, 3], &net, None), &["[8,9,3]", "[1,3,8,9]", "--layout hwc transposes"]);
    check(&refuse(&[5, 8, 9, 3], &net, None), &["--layout hwc"]);
    check(&refuse(&[3, 8, 9], &[1, 8, 9, 3], None), &["--layout chw transposes"]);
    check(&refuse(&[1, 8, 9], &net, None), &["[1,8,9]", "[1,3,8,9]", "1 channel instead of 3"]);
    check(&refuse(&[8, 9, 4], &net, Some(AxisOrder::Hwc)), &["4 channels instead of 3", "[1,8,9,3]"]);
    check(&refuse(&[3, 8, 9], &net, Some(AxisOrder::Hwc)), &["which --layout makes [1,8,9,3]"]);
    check(&refuse(&[216], &net, None), &["reshape"]);
    check(&refuse(&[3, 8, 8], &net, None), &["192 numbers instead of 216"]);
    check(&refuse(&[6], &[1, 6], Some(AxisOrder::Hwc)), &["--layout is for images"]);
}

#[test]
fn the_other_order_of_axes_is_transposed() {
    let folder = tempfile::tempdir().unwrap();
    let (chw, hwc) = (input(&[1, 3, 1, 2]), input(&[1, 1, 2, 3]));
    let hwc = InputType { shape: vec![1, 5, 2, 3], ..hwc };
    let read = |source: &Source, input: &InputType, layout| {
        let set = DataSet::open(
            vec![input.clone()],
            std::slice::from_ref(source),
            LoadOptions { layout, resize: false },
        );
        all(&set.unwrap())
    };
    // Two images of one row and two columns; colours 0 to 2 of the columns 0 and 1.
    let interleaved = [00., 10., 20., 01., 11., 21., 100., 110., 120., 101., 111., 121.];
    let source = file(&folder, "x.npy", &npy(&[2, 1, 2, 3], &interleaved));
    let images = read(&source, &chw, Some(AxisOrder::Hwc));
    assert_eq!(images[0], [00., 01., 10., 11., 20., 21.]);
    assert_eq!(images[1], [100., 101., 110., 111., 120., 121.]);
    let planes: Vec<f64> = (0..30).map(f64::from).collect();
    let source = file(&folder, "y.npy", &npy(&[3, 5, 2], &planes));
    assert_eq!(read(&source, &hwc, Some(AxisOrder::Chw))[0][..6], [0., 10., 20., 1., 11., 21.]);
    let source = file(&folder, "z.npy", &npy(&[5, 2, 3], &planes));
    assert_eq!(read(&source, &hwc, Some(AxisOrder::Hwc))[0], planes, "the network's own");

    // Pictures and CIFAR records have an order of their own.
    let mut bytes = hwc.clone();
    bytes.normalisation = Normalisation { divisor: 1.0, mean: vec![0.0, 10.0, 20.0], std: vec![1.0] };
    let record: Vec<u8> = std::iter::once(7).chain(0..30).collect();
    let source = file(&folder, "batch.bin", &record);
    assert_eq!(read(&source, &bytes, None)[0][..6], [0., 0., 0., 1., 1., 1.]);
    let path = folder.path().join("x.png");
    image::RgbImage::from_fn(2, 5, |x, y| image::Rgb([(x + 2 * y) as u8, 10, 20])).save(&path).unwrap();
    let source = Source { path, record: None };
    assert_eq!(read(&source, &bytes, None)[0][..6], [0., 0., 0., 1., 0., 0.]);
}

#[test]
fn rows_have_labels_where_they_have_a_number_more() {
    let folder = tempfile::tempdir().unwrap();
    let input = input(&[1, 2]);
    let read = |text: &str| {
        let set = open(&file(&folder, "x.csv", text.as_bytes()), &input);
        set.map(|set| (all(&set), (0..set.len()).map(|k| set.label(k)).collect::<Vec<_>>()))
    };
    let rows = vec![vec![1.0, 2.5], vec![-3.0, 4e2]];
    assert_eq!(read("1,2.5\n-3,4e2\n").unwrap(), (rows.clone(), vec![None; 2]));
    assert_eq!(read("a,b\n1,2.5\r\n-3,4e2").unwrap(), (rows.clone(), vec![None; 2]));
    assert_eq!(read("7,1,2.5\n0,-3,4e2").unwrap(), (rows.clone(), vec![Some(7), Some(0)]));
    assert_eq!(read("a,b,Label\n1,2.5,7\n-3,4e2,0").unwrap(), (rows, vec![Some(7), Some(0)]));
    let refuse = |text: &str, part: &str| {
        let message = read(text).unwrap_err().to_string();
        assert!(message.contains(part), "{part}: {message}");
    };
    refuse("1,2\n3\n", "row 2 has 1 fields: 2 numbers");
    refuse("1,2\n3,4,5\n", "row 2 has 3 fields");
    refuse("1,2\n3,x\n", "row 2, field 2: \"x\" is no number");
    refuse("1.5,1,2\n", "no label");
    refuse("", "no inputs");
}

#[test]
fn archives_hold_several_inputs_and_labels() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (npy(&[3, 2], &[1., 2., 3., 4., 5., 6.]), npy(&[3, 1], &[7., 8., 9.]));
    let types = ["a", "b"].into_iter().zip([[1, 2], [1, 1]]);
    let types: Vec<_> = types.map(|(name, shape)| InputType { name: name.into(), ..input(&shape) }).collect();
    let labels =
        typed("<i8", "(3,)", &[[0u8; 8], [1, 0, 0, 0, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0, 0, 0]].concat());
    let archive = npz(&[("b", b.clone()), ("labels", labels.clone()), ("a", a.clone())]);
    let options = LoadOptions::default();
    let open = |sources: &[Source]| DataSet::open(types.clone(), sources, options);
    let set = open(&[file(&folder, "x.npz", &archive)]).unwrap();
    assert_eq!((set.len(), set.label(2)), (3, Some(2)));
    assert_eq!(set.tensors(1).unwrap(), [vec![3., 4.], vec![8.]]);
    assert!(set.name(1).ends_with("x.npz#1") && !set.name(1).contains(' '), "{}", set.name(1));
    let of_one = Source { record: Some(2), ..file(&folder, "x.npz", &archive) };
    assert_eq!(open(&[of_one]).unwrap().only().unwrap(), [vec![5., 6.], vec![9.]]);

    // The same from a file for each.
    let files = [file(&folder, "a.npy", &a), file(&folder, "b.npy", &b)];
    assert_eq!(open(&files).unwrap().tensors(2).unwrap(), [vec![5., 6.], vec![9.]]);
    let refuse = |sources: &[Source], part: &str| {
        let message = open(sources).unwrap_err().to_string();
        assert!(message.contains(part), "{part}: {message}");
    };
    refuse(&files[..1], "takes 2 input(s) (a, b), 1 given");
    refuse(&[files[0].clone(), file(&folder, "c.npy", &npy(&[2, 1], &[1., 2.]))], "as many of each");
    refuse(&[file(&folder, "y.npz", &npz(&[("c", a.clone()), ("d", b.clone())]))], "no array is named a");
    refuse(&[file(&folder, "z.npz", &npz(&[("a", a.clone()), ("b", b), ("labels", a)]))], "list");
    refuse(&[file(&folder, "w.npz", &archive[..archive.len() / 2])], "no archive");
}

#[test]
fn folders_are_classes_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let input = input(&[1, 1, 1, 1]);
    let picture = |name: &str, value: u8| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::GrayImage::from_pixel(1, 1, image::Luma([value])).save(path).unwrap();
    };
    picture("all/dog/2.png", 51);
    picture("all/dog/10.bmp", 102);
    picture("all/cat/1.png", 0);
    picture("flat/b.png", 255);
    picture("flat/a.png", 0);
    file(&folder, "all/cat/notes.txt", b"no picture");
    file(&folder, "all/.hidden/x", b"");
    let read = |name: &str| open(&Source { path: folder.path().join(name), record: None }, &input);
    let set = read("all").unwrap();
    let named =
        |k: usize| set.name(k).strip_prefix(&format!("{}/", folder.path().display())).map(str::to_string);
    let found: Vec<_> = (0..set.len()).map(|k| (named(k).unwrap(), set.label(k).unwrap())).collect();
    let expected = [("all/cat/1.png", 0), ("all/dog/10.bmp", 1), ("all/dog/2.png", 1)];
    assert_eq!(found, expected.map(|(name, label)| (name.to_string(), label)));
    assert_eq!(all(&set)[2], [(0.2 - 0.5) / 0.25]);
    let flat = read("flat").unwrap();
    assert_eq!((flat.len(), flat.label(0), &all(&flat)[1]), (2, None, &vec![2.0]));
    let second = Source { path: folder.path().join("flat"), record: Some(1) };
    assert_eq!(load(&second, input.clone(), LoadOptions::default()).unwrap(), [2.0]);

    std::fs::create_dir(folder.path().join("all/bird")).unwrap();
    let message = read("all").unwrap_err().to_string();
    assert!(message.contains("bird holds no pictures"), "{message}");
    picture("all/stray.png", 0);
    assert!(read("all").unwrap_err().to_string().contains("is that a class?"));
}

#[test]
fn labels_are_lists_of_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let labels = |source: Source| read_labels(&source.path);
    let idx: &[u8] = &[0, 0, 8, 1, 0, 0, 0, 2, 7, 9];
    assert_eq!(labels(file(&folder, "labels.gz", &gzip(idx))), Ok(vec![7, 9]));
    assert_eq!(labels(file(&folder, "l.npy", &npy(&[3], &[1., 0., 2.]))), Ok(vec![1, 0, 2]));
    assert!(labels(file(&folder, "l.npy", &npy(&[2], &[1., -1.]))).is_err());
    assert!(labels(file(&folder, "l.npy", &npy(&[2], &[1., 0.5]))).is_err());
    assert!(labels(file(&folder, "l.txt", b"1 2 3")).is_err());
    let mut set = open(&file(&folder, "x.npy", &npy(&[3, 2], &[0.0; 6])), &input(&[1, 2])).unwrap();
    set.set_labels(vec![4, 5, 6]).unwrap();
    assert_eq!(set.label(1), Some(5));
    assert!(set.set_labels(vec![4, 5]).unwrap_err().to_string().contains("2 labels for 3 inputs"));
}

#[test]
fn colours_become_planes_and_sizes_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.png");
    image::RgbImage::from_fn(2, 2, |x, y| image::Rgb([10 * (x + 2 * y) as u8, 100, 200]))
        .save(&path)
        .unwrap();
    let source = Source { path, record: None };
    let mut wanted = input(&[1, 3, 2, 2]);
    wanted.normalisation = Normalisation { divisor: 1.0, mean: vec![0.0, 0.0, 100.0], std: vec![] };
    let planes = load(&source, wanted, LoadOptions::default()).unwrap();
    assert_eq!(planes, [0., 10., 20., 30., 100., 100., 100., 100., 100., 100., 100., 100.]);
    let larger = input(&[1, 3, 4, 4]);
    let message = load(&source, larger.clone(), LoadOptions::default()).unwrap_err().to_string();
    assert!(message.contains("2×2") && message.contains("--resize"), "{message}");
    let resize = LoadOptions { resize: true, layout: None };
    assert_eq!(load(&source, larger, resize).unwrap().len(), 48);

    let records = file(&folder, "images.idx", &idx(2, 4, 4));
    let wanted = input(&[1, 1, 2, 2]);
    let message = open(&records, &wanted).unwrap_err().to_string();
    assert!(message.contains("4×4") && message.contains("--resize"), "{message}");
    let set = DataSet::open(vec![wanted], &[records], resize).unwrap();
    assert_eq!((set.len(), all(&set)[1].len()), (2, 4));
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let input = input(&[1, 1, 2, 3]);
    let refuse = |source: &Source, part: &str| {
        let message = load(source, input.clone(), LoadOptions::default()).unwrap_err().to_string();
        assert!(message.contains(part), "{part}: {message}");
    };
    refuse(&file(&folder, "x.npy", &npy(&[7], &[0.0; 7])), "7 numbers instead of 6");
    refuse(
        &file(&folder, "nan.npy", &npy(&[2, 3], &[0., 0., 0., 0., f64::NAN, 0.])),
        "element [0,0,1,1] is NaN",
    );
    refuse(&file(&folder, "inf.csv", b"0,0,inf,0,0,0"), "element [0,0,0,2] is inf");
    refuse(&file(&folder, "y.npy", b"\x93NUMPY\x01\x00\xff\xff"), "no numpy");
    refuse(&file(&folder, "big.npy", &typed(">f4", "(2, 3)", &[0; 24])), "big endian");
    refuse(&file(&folder, "c.npy", &typed("<c8", "(2, 3)", &[0; 48])), "not supported");
    refuse(&file(&folder, "huge.npy", &typed("<f4", "(4294967296, 4294967296, 6)", &[0; 24])), "do not fit");
    refuse(&file(&folder, "long.npy", &typed("<f4", "(2, 3)", &[0; 28])), "do not fit");
    refuse(&file(&folder, "x.u8", &[0; 5]), "5 elements");
    refuse(&file(&folder, "x.f32", &[0; 5]), "multiple of 4");
    refuse(&file(&folder, "x.txt", b"hello"), "unknown kind");
    refuse(&file(&folder, "x.png", b"hello"), "x.png");
    refuse(&Source { path: "/nowhere.npy".into(), record: None }, "nowhere");
    refuse(&Source { path: "/nowhere.png".into(), record: None }, "nowhere");
    let records = Source { record: Some(5), ..file(&folder, "a.idx", &idx(5, 2, 3)) };
    refuse(&records, "no record 5");
    let mut cut = idx(5, 2, 3);
    cut.pop();
    refuse(&Source { record: Some(0), ..file(&folder, "b.idx", &cut) }, "truncated");
    refuse(&Source { record: Some(0), ..file(&folder, "b.dat", &[1; 17]) }, "nor CIFAR");
}

#[test]
fn records_of_bytes_may_be_flattened() {
    let folder = tempfile::tempdir().unwrap();
    let source = file(&folder, "a.idx", &idx(5, 2, 3));
    let set = open(&source, &input(&[1, 6])).unwrap();
    assert_eq!((set.len(), all(&set)[4].len()), (5, 6));
    assert!(open(&source, &input(&[1, 3, 2])).is_err(), "not otherwise");
}

/// Parses bytes as every kind of file, and reads what that gives.
fn parse_as_everything(bytes: &[u8], input: &InputType) {
    let read = |array: Array| {
        let _ = array.labels();
        if let Ok(count) = fit::fit(array.shape(), &input.shape, None, true) {
            let values: Values = array.part(0, count).reordered_from(Some(AxisOrder::Hwc), input);
            let _ = values.tensor(input);
        }
    };
    let archive = npz::parse(bytes.to_vec(), "x").map(|(array, _)| array);
    let rows = csv::parse(bytes, 6).map(|(array, _)| array);
    [npy::parse(bytes.to_vec()), idx::parse(bytes.to_vec()), archive, rows]
        .into_iter()
        .flatten()
        .for_each(read);
    if let Ok(cifar) = cifar::Cifar::new(bytes.to_vec(), 6) {
        assert_eq!(cifar.labels().len(), cifar.len());
    }
    let _ = picture::decode(bytes, input, true);
    let _ = source::inflate(bytes.to_vec());
}

proptest! {
    #[test]
    fn parsers_survive_anything(bytes in prop::collection::vec(any::<u8>(), 0..200), which in 0..6) {
        let start: &[u8] = match which {
            0 => b"\x93NUMPY\x01\x00\x40\x00{'descr': '<f4', 'fortran_order': False, 'shape': (",
            1 => &[0, 0, 8, 3],
            2 => &[0x1f, 0x8b, 8, 0],
            3 => b"PK\x03\x04",
            4 => b"label,1,2\n1,",
            _ => b"",
        };
        parse_as_everything(&[start, &bytes].concat(), &input(&[1, 3, 2, 1]));
    }

    #[test]
    fn parsers_survive_damage(kind in 0..5usize, changes in prop::collection::vec((any::<u16>(), any::<u8>()), 1..4), keep in 0.0..1.2f64) {
        let array = npy(&[2, 3], &[0.0; 6]);
        let mut bytes = match kind {
            0 => npz(&[("x", array.clone()), ("labels", array)]),
            1 => array,
            2 => idx(2, 2, 3),
            3 => gzip(&array),
            _ => b"a,b,label\n1,2,3\n4,5,6\n".to_vec(),
        };
        for (at, value) in changes {
            let at = usize::from(at) % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate((keep * bytes.len() as f64) as usize);
        parse_as_everything(&bytes, &input(&[1, 3, 2, 1]));
    }

    #[test]
    fn any_header_fits_or_is_refused(shape in prop::collection::vec(prop_oneof![0..5usize, any::<usize>()], 0..5), wanted in prop::collection::vec(1..5usize, 0..5), hwc in any::<Option<bool>>(), flat in any::<bool>()) {
        let layout = hwc.map(|hwc| if hwc { AxisOrder::Hwc } else { AxisOrder::Chw });
        if let Ok(count) = fit::fit(&shape, &wanted, layout, flat) {
            let elements = |shape: &[usize]| shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
            prop_assert_eq!(elements(&shape), elements(&wanted).and_then(|n| n.checked_mul(count)));
        }
    }
}
